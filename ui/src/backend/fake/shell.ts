/** The shell's part in showing pictures, made up: a stream of messages, or pictures drawn under the page. */

import type { TileLayout } from '../generated/TileLayout';
import type { TileName } from '../generated/TileName';
import type { PictureStream } from '../types';
import { HEADER_BYTES, writeHeader } from '../../video/message';
import { paint, toPlanes } from './painter';

const WIDTH = 480;
const HEIGHT = 270;
const FRAME_MS = 33;
/** The shell's rule: with two messages of a tile unanswered, newer pictures of it are left out. */
const UNACKNOWLEDGED_MAX = 2;

/** Which pictures exist now. */
export type Showing = () => Record<TileName, boolean>;

/** Streams I420 messages as the shell's loopback socket does. */
export function streamPictures(showing: Showing, onMessage: (message: ArrayBuffer) => void): PictureStream {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const open = new Map<bigint, TileName>();
  let sequence = 0n;

  const send = (tile: TileName) => {
    const waiting = [...open.values()].filter((name) => name === tile).length;
    if (context === null || waiting >= UNACKNOWLEDGED_MAX) return;
    paint(context, tile, WIDTH, HEIGHT, performance.now());
    const planes = toPlanes(context.getImageData(0, 0, WIDTH, HEIGHT));
    const message = new Uint8Array(HEADER_BYTES + planes.length);
    sequence += 1n;
    writeHeader(message.buffer, { tile, width: WIDTH, height: HEIGHT, sequence });
    message.set(planes, HEADER_BYTES);
    open.set(sequence, tile);
    onMessage(message.buffer);
  };
  const timer = setInterval(() => {
    const on = showing();
    if (on.remote) send('remote');
    if (on.self_view) send('self_view');
  }, FRAME_MS);
  return {
    acknowledge: (message) => open.delete(new DataView(message).getBigUint64(4, true)),
    close: () => clearInterval(timer),
  };
}

/** Draws pictures under a transparent page where the page says, as the native surface does. */
export function underPage(showing: Showing): (tiles: TileLayout[]) => void {
  const canvas = document.createElement('canvas');
  canvas.dataset['fakeShell'] = '';
  Object.assign(canvas.style, { position: 'fixed', inset: '0', width: '100vw', height: '100vh', zIndex: '-1' });
  document.body.prepend(canvas);
  const context = canvas.getContext('2d');
  let tiles: TileLayout[] = [];

  const draw = () => {
    requestAnimationFrame(draw);
    if (context === null) return;
    canvas.width = innerWidth;
    canvas.height = innerHeight;
    context.fillStyle = '#0b0e0d';
    context.fillRect(0, 0, innerWidth, innerHeight);
    const on = showing();
    for (const tile of tiles) if (on[tile.tile]) drawTile(context, tile);
  };
  requestAnimationFrame(draw);
  return (next) => {
    tiles = next;
  };
}

function drawTile(context: CanvasRenderingContext2D, { tile, x, y, width, height, fit, mirror, radius }: TileLayout) {
  const scale = Math[fit === 'contain' ? 'min' : 'max'](width / 16, height / 9);
  context.save();
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
  context.clip();
  context.translate(x + width / 2, y + height / 2);
  if (mirror) context.scale(-1, 1);
  context.translate(-8 * scale, -4.5 * scale);
  context.beginPath();
  context.rect(0, 0, 16 * scale, 9 * scale);
  context.clip();
  paint(context, tile, 16 * scale, 9 * scale, performance.now());
  context.restore();
}
