/**
 * How pictures reach the screen: the seam between the page's layout and whoever draws.
 *
 * The page lays out boxes ({@link Tile}); a surface either tells the shell where they are, so that it draws under the
 * transparent page, or draws on a canvas inside each of them. The layout does not know which.
 */

import type { Fit } from '../backend/generated/Fit';
import type { TileName } from '../backend/generated/TileName';
import type { VideoSurface as SurfaceKind } from '../backend/generated/VideoSurface';
import type { Backend } from '../backend/types';
import { canvasSurface } from './canvas_surface';
import { nativeSurface } from './native_surface';

/** A box of the page that shows a picture. */
export interface Tile {
  name: TileName;
  box: HTMLElement;
  /** Inside the box; there only on a canvas surface. */
  canvas: HTMLCanvasElement | null;
  fit: Fit;
  mirror: boolean;
  /** Corner radius in CSS pixels. */
  radius: number;
}

export interface Surface {
  readonly kind: SurfaceKind['kind'];
  /** Shows a picture in a box, until the returned function is called. */
  add(tile: Tile): () => void;
  /** The layout may have changed in a way no observer sees. */
  nudge(): void;
  close(): void;
}

export function openSurface(kind: SurfaceKind, backend: Backend): Surface {
  switch (kind.kind) {
    case 'native':
      return nativeSurface((tiles) => backend.invoke('video_layout', { tiles }));
    case 'canvas':
      return canvasSurface((onMessage) => backend.pictures(kind.url, onMessage));
  }
}
