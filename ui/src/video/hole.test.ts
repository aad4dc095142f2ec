import { describe, expect, it } from 'vitest';
import { groundWithHole } from './hole';

describe('groundWithHole', () => {
  it('covers the window and cuts a rounded rectangle out of it', () => {
    const clip = groundWithHole(100, 80, { x: 10, y: 20, width: 40, height: 30, radius: 5 });
    expect(clip).toBe(
      'path(evenodd, "M0 0H100V80H0zM15 20h30a5 5 0 0 1 5 5v20a5 5 0 0 1 -5 5h-30a5 5 0 0 1 -5 -5v-20a5 5 0 0 1 5 -5z")',
    );
  });

  it('keeps the radius within the rectangle', () => {
    expect(groundWithHole(10, 10, { x: 0, y: 0, width: 4, height: 2, radius: 16 })).toContain('a1 1 0 0 1 1 1');
  });
});
