/** Pictures drawn by the page on canvases, fed by a stream. The newest wins: one drawing per tile and animation frame. */

import type { TileName } from '../backend/generated/TileName';
import type { PictureStream } from '../backend/types';
import { acknowledgement, readFrame, type Frame } from './message';
import { choosePainter, type Painter } from './painter';
import type { Surface, Tile } from './surface';

type OpenStream = (onMessage: (message: ArrayBuffer) => void) => PictureStream;

export function canvasSurface(open: OpenStream): Surface {
  const painters = new Map<TileName, { tile: Tile; painter: Painter }>();
  const newest = new Map<TileName, Frame>();
  let animationFrame: number | undefined;

  const draw = () => {
    animationFrame = undefined;
    for (const frame of newest.values()) {
      const target = painters.get(frame.tile);
      if (target?.painter.draw(frame) === true) target.tile.box.dataset['picture'] = 'on';
      stream.acknowledge(acknowledgement(frame.sequence));
    }
    newest.clear();
  };
  const stream = open((message) => {
    const frame = readFrame(message);
    if (frame === null) return;
    // A frame that is overtaken before it was drawn, or has no place on the page, is dropped and said so at once.
    const dropped = painters.has(frame.tile) ? newest.get(frame.tile) : frame;
    if (dropped !== undefined) stream.acknowledge(acknowledgement(dropped.sequence));
    if (dropped === frame) return;
    newest.set(frame.tile, frame);
    animationFrame ??= requestAnimationFrame(draw);
  });

  return {
    kind: 'canvas',
    add: (tile) => {
      const painter = tile.canvas === null ? null : choosePainter(tile.canvas);
      if (painter === null) return () => undefined;
      painters.set(tile.name, { tile, painter });
      return () => {
        if (painters.get(tile.name)?.painter === painter) painters.delete(tile.name);
        painter.close();
      };
    },
    nudge: () => undefined,
    close: () => {
      if (animationFrame !== undefined) cancelAnimationFrame(animationFrame);
      stream.close();
    },
  };
}
