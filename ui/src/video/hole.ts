/** A rounded rectangle in CSS pixels. */
export interface Hole {
  x: number;
  y: number;
  width: number;
  height: number;
  radius: number;
}

/**
 * A `clip-path` that paints everything but the hole (even-odd rule). The page's ground is cut by it where the shell draws a
 * picture below: a shadow around the hole, however large, is left unpainted in places by WebKitGTK.
 */
export function groundWithHole(width: number, height: number, hole: Hole): string {
  const { x, y, width: w, height: h } = hole;
  const r = Math.max(0, Math.min(hole.radius, w / 2, h / 2));
  const arc = (dx: number, dy: number) => `a${r} ${r} 0 0 1 ${dx} ${dy}`;
  const rounded = `M${x + r} ${y}h${w - 2 * r}${arc(r, r)}v${h - 2 * r}${arc(-r, r)}h${2 * r - w}${arc(-r, -r)}v${2 * r - h}${arc(r, -r)}z`;
  return `path(evenodd, "M0 0H${width}V${height}H0z${rounded}")`;
}

/** Calls `change` with the clip for a ground over the whole window whenever `element` moves or changes its size. */
export function followHole(element: HTMLElement, radius: number, change: (clipPath: string) => void): () => void {
  const look = () => {
    const { x, y, width, height } = element.getBoundingClientRect();
    change(groundWithHole(innerWidth, innerHeight, { x, y, width, height, radius }));
  };
  const sizes = new ResizeObserver(look);
  sizes.observe(element);
  addEventListener('resize', look);
  // Scrolling does not bubble, but it can be caught on the way down.
  addEventListener('scroll', look, true);
  look();
  return () => {
    sizes.disconnect();
    removeEventListener('resize', look);
    removeEventListener('scroll', look, true);
  };
}
