/** Something that puts a frame on a canvas. */

import type { Frame } from './message';
import { rasterPainter } from './raster';
import { webglPainter } from './webgl';

export interface Painter {
  /** Draws one frame; the canvas takes the frame's size. False when it could not, for good. */
  draw(frame: Frame): boolean;
  close(): void;
}

/** The fastest painter this webview has. */
export function choosePainter(canvas: HTMLCanvasElement): Painter | null {
  return webglPainter(canvas) ?? rasterPainter(canvas);
}

/** Gives the canvas the frame's size; the style sheet scales it to its box. */
export function resize(canvas: HTMLCanvasElement, frame: Frame): void {
  if (canvas.width !== frame.width) canvas.width = frame.width;
  if (canvas.height !== frame.height) canvas.height = frame.height;
}
