/** Where the self-view sits: in one of the four corners of its area. */

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Corner {
  vertical: 'top' | 'bottom';
  horizontal: 'left' | 'right';
}

export type Arrow = 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown';

/** Top left point of a box of `size` in a corner of `area`. */
export function place(corner: Corner, area: Size, size: Size): Point {
  return {
    x: corner.horizontal === 'left' ? 0 : Math.max(0, area.width - size.width),
    y: corner.vertical === 'top' ? 0 : Math.max(0, area.height - size.height),
  };
}

/** The corner a box let go at `at` snaps to: the nearest one to its middle. */
export function nearest(at: Point, area: Size, size: Size): Corner {
  return {
    horizontal: at.x + size.width / 2 < area.width / 2 ? 'left' : 'right',
    vertical: at.y + size.height / 2 < area.height / 2 ? 'top' : 'bottom',
  };
}

/** Keeps a box inside its area. */
export function clamp(at: Point, area: Size, size: Size): Point {
  return {
    x: Math.min(Math.max(0, at.x), Math.max(0, area.width - size.width)),
    y: Math.min(Math.max(0, at.y), Math.max(0, area.height - size.height)),
  };
}

/** The corner an arrow key leads to. */
export function towards(corner: Corner, arrow: Arrow): Corner {
  switch (arrow) {
    case 'ArrowLeft':
      return { ...corner, horizontal: 'left' };
    case 'ArrowRight':
      return { ...corner, horizontal: 'right' };
    case 'ArrowUp':
      return { ...corner, vertical: 'top' };
    case 'ArrowDown':
      return { ...corner, vertical: 'bottom' };
  }
}

export function isArrow(key: string): key is Arrow {
  return key === 'ArrowLeft' || key === 'ArrowRight' || key === 'ArrowUp' || key === 'ArrowDown';
}

export function cornerWords({ vertical, horizontal }: Corner): string {
  return `${vertical} ${horizontal}`;
}
