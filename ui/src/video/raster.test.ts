import { describe, expect, it } from 'vitest';
import type { Frame } from './message';
import { toRgba } from './raster';

function rgbaOf(y: number, u: number, v: number): number[] {
  const frame: Frame = {
    tile: 'remote',
    width: 1,
    height: 1,
    sequence: 0n,
    y: Uint8Array.of(y),
    u: Uint8Array.of(u),
    v: Uint8Array.of(v),
  };
  const rgba = new Uint8ClampedArray(4);
  toRgba(frame, rgba);
  return [...rgba];
}

describe('toRgba', () => {
  // BT.601, limited range: the colour bars of Rec. ITU-R BT.601 at full saturation.
  it.each([
    ['black', [16, 128, 128], [0, 0, 0]],
    ['white', [235, 128, 128], [255, 255, 255]],
    ['red', [81, 90, 240], [255, 0, 0]],
    ['green', [145, 54, 34], [0, 255, 0]],
    ['blue', [41, 240, 110], [0, 0, 255]],
  ] as const)('knows %s', (_, [y, u, v], expected) => {
    const [r, g, b, a] = rgbaOf(y, u, v);
    expected.forEach((want, at) => expect(Math.abs(([r, g, b][at] ?? 0) - want)).toBeLessThanOrEqual(2));
    expect(a).toBe(255);
  });

  it('gives each pixel the colour of its block', () => {
    const frame: Frame = {
      tile: 'remote',
      width: 3,
      height: 1,
      sequence: 0n,
      y: Uint8Array.of(128, 128, 128),
      u: Uint8Array.of(128, 240),
      v: Uint8Array.of(128, 110),
    };
    const rgba = new Uint8ClampedArray(12);
    toRgba(frame, rgba);
    expect([...rgba.subarray(0, 3)]).toEqual([...rgba.subarray(4, 7)]);
    expect(rgba[10]).toBeGreaterThan(rgba[6] ?? 0);
  });
});
