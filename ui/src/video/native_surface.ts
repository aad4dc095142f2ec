/** Pictures drawn by the shell under the transparent page: this side only says where. */

import type { TileLayout } from '../backend/generated/TileLayout';
import type { TileName } from '../backend/generated/TileName';
import type { Surface, Tile } from './surface';

/** Drawing order: later ones lie above earlier ones. */
const DEPTH: Record<TileName, number> = { remote: 0, self_view: 1 };
/** Longer than any motion of the page, so that a picture follows its box to the end. */
const FOLLOW_MS = 300;

export function nativeSurface(send: (tiles: TileLayout[]) => Promise<unknown>): Surface {
  const tiles = new Set<Tile>();
  let frame: number | undefined;
  let followUntil = 0;
  let said = '[]';
  let sending = false;

  const report = () => {
    const layout = layoutOf(tiles);
    const words = JSON.stringify(layout);
    // One report at a time: what changes meanwhile is told when the answer is in.
    if (words === said || sending) return;
    said = words;
    sending = true;
    send(layout)
      .catch(() => {
        said = '';
      })
      .finally(() => {
        sending = false;
        nudge();
      });
  };
  const nudge = () => {
    frame ??= requestAnimationFrame((now) => {
      frame = undefined;
      report();
      if (now < followUntil) nudge();
    });
  };
  const follow = () => {
    followUntil = performance.now() + FOLLOW_MS;
    nudge();
  };

  const sizes = new ResizeObserver(nudge);
  addEventListener('resize', follow);
  document.addEventListener('scroll', nudge, { capture: true, passive: true });
  document.addEventListener('transitionrun', follow);
  document.addEventListener('transitionend', nudge);
  return {
    kind: 'native',
    add: (tile) => {
      tiles.add(tile);
      sizes.observe(tile.box);
      follow();
      return () => {
        tiles.delete(tile);
        sizes.unobserve(tile.box);
        nudge();
      };
    },
    nudge,
    close: () => {
      sizes.disconnect();
      removeEventListener('resize', follow);
      document.removeEventListener('scroll', nudge, { capture: true });
      document.removeEventListener('transitionrun', follow);
      document.removeEventListener('transitionend', nudge);
    },
  };
}

/** The complete list of tiles, in drawing order, without those that have no area. */
export function layoutOf(tiles: Iterable<Tile>): TileLayout[] {
  return [...tiles]
    .sort((a, b) => DEPTH[a.name] - DEPTH[b.name])
    .map(({ name, box, fit, mirror, radius }) => {
      const { x, y, width, height } = box.getBoundingClientRect();
      return { tile: name, x, y, width, height, fit, mirror, radius };
    })
    .filter(({ width, height }) => width > 0 && height > 0);
}
