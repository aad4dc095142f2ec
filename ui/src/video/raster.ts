/** Draws I420 without a graphics card: converted here, put on a 2D canvas. */

import { halved, type Frame } from './message';
import { resize, type Painter } from './painter';

/** A painter on a 2D canvas, or `null` where there is none. */
export function rasterPainter(canvas: HTMLCanvasElement): Painter | null {
  const context = canvas.getContext('2d', { alpha: false });
  if (context === null) return null;
  let image: ImageData | undefined;
  return {
    draw: (frame) => {
      resize(canvas, frame);
      if (image?.width !== frame.width || image.height !== frame.height) {
        image = context.createImageData(frame.width, frame.height);
      }
      toRgba(frame, image.data);
      context.putImageData(image, 0, 0);
      return true;
    },
    close: () => undefined,
  };
}

/** Converts to RGBA, ITU-R BT.601 limited range, in fixed point with 8 bits of fraction. `rgba` holds width x height x 4 bytes. */
export function toRgba(frame: Frame, rgba: Uint8ClampedArray): void {
  const { width, height } = frame;
  const chromaWidth = halved(width);
  let out = 0;
  for (let row = 0; row < height; row += 1) {
    const lumaRow = row * width;
    const chromaRow = (row >> 1) * chromaWidth;
    for (let column = 0; column < width; column += 1) {
      const y = 298 * ((frame.y[lumaRow + column] as number) - 16) + 128;
      const u = (frame.u[chromaRow + (column >> 1)] as number) - 128;
      const v = (frame.v[chromaRow + (column >> 1)] as number) - 128;
      rgba[out] = (y + 409 * v) >> 8;
      rgba[out + 1] = (y - 100 * u - 208 * v) >> 8;
      rgba[out + 2] = (y + 516 * u) >> 8;
      rgba[out + 3] = 255;
      out += 4;
    }
  }
}
