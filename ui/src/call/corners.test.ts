import { describe, expect, it } from 'vitest';
import { clamp, nearest, place, towards } from './corners';

const area = { width: 800, height: 500 };
const size = { width: 200, height: 100 };

describe('corners', () => {
  it('places a box in each corner', () => {
    expect(place({ vertical: 'top', horizontal: 'left' }, area, size)).toEqual({ x: 0, y: 0 });
    expect(place({ vertical: 'bottom', horizontal: 'right' }, area, size)).toEqual({ x: 600, y: 400 });
  });

  it('never leaves the area, even one smaller than the box', () => {
    const tiny = { width: 50, height: 40 };
    expect(place({ vertical: 'bottom', horizontal: 'right' }, tiny, size)).toEqual({ x: 0, y: 0 });
    expect(clamp({ x: 900, y: -20 }, area, size)).toEqual({ x: 600, y: 0 });
    expect(clamp({ x: 900, y: 900 }, tiny, size)).toEqual({ x: 0, y: 0 });
  });

  it('snaps to the corner nearest to the middle of the box', () => {
    expect(nearest({ x: 299, y: 199 }, area, size)).toEqual({ vertical: 'top', horizontal: 'left' });
    expect(nearest({ x: 301, y: 201 }, area, size)).toEqual({ vertical: 'bottom', horizontal: 'right' });
  });

  it('comes back where it was placed', () => {
    for (const vertical of ['top', 'bottom'] as const) {
      for (const horizontal of ['left', 'right'] as const) {
        const corner = { vertical, horizontal };
        expect(nearest(place(corner, area, size), area, size)).toEqual(corner);
      }
    }
  });

  it('follows the arrow keys', () => {
    const corner = { vertical: 'bottom', horizontal: 'right' } as const;
    expect(towards(corner, 'ArrowLeft')).toEqual({ vertical: 'bottom', horizontal: 'left' });
    expect(towards(corner, 'ArrowUp')).toEqual({ vertical: 'top', horizontal: 'right' });
    expect(towards(corner, 'ArrowDown')).toEqual(corner);
  });
});
