// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TileLayout } from '../backend/generated/TileLayout';
import type { TileName } from '../backend/generated/TileName';
import { nativeSurface } from './native_surface';
import { stubResizeObserver } from '../testing/resize_observer';
import type { Surface } from './surface';

let frames: FrameRequestCallback[];
let sent: TileLayout[][];
let answer: () => void;
let surface: Surface;

beforeEach(() => {
  [frames, sent] = [[], []];
  vi.stubGlobal('requestAnimationFrame', (run: FrameRequestCallback) => frames.push(run));
  stubResizeObserver();
  surface = nativeSurface((tiles) => {
    sent.push(tiles);
    return new Promise<void>((resolve) => (answer = resolve));
  });
});

afterEach(() => {
  surface.close();
  vi.unstubAllGlobals();
});

/** The answer to the last report, and whatever follows from it. */
async function answered() {
  answer();
  await new Promise((resolve) => setTimeout(resolve));
}

function nextAnimationFrame() {
  frames.splice(0).forEach((run) => run(performance.now() + 1_000));
}

function box(x: number, y: number, width: number, height: number): HTMLElement {
  const element = document.createElement('div');
  element.getBoundingClientRect = () => ({ x, y, width, height }) as DOMRect;
  return element;
}

function show(name: TileName, element: HTMLElement): () => void {
  return surface.add({ name, box: element, canvas: null, fit: 'cover', mirror: name === 'self_view', radius: 12 });
}

describe('native surface', () => {
  it('tells all tiles at once, the self-view above', () => {
    show('self_view', box(10, 20, 160, 90));
    show('remote', box(0, 0, 800, 600));
    nextAnimationFrame();
    expect(sent).toEqual([
      [
        { tile: 'remote', x: 0, y: 0, width: 800, height: 600, fit: 'cover', mirror: false, radius: 12 },
        { tile: 'self_view', x: 10, y: 20, width: 160, height: 90, fit: 'cover', mirror: true, radius: 12 },
      ],
    ]);
  });

  it('says nothing twice, and the end too', async () => {
    const remove = show('remote', box(0, 0, 800, 600));
    nextAnimationFrame();
    await answered();
    surface.nudge();
    nextAnimationFrame();
    expect(sent).toHaveLength(1);
    remove();
    nextAnimationFrame();
    expect(sent.at(-1)).toEqual([]);
  });

  it('has one report on its way; what changed meanwhile follows', async () => {
    show('remote', box(0, 0, 800, 600));
    nextAnimationFrame();
    show('self_view', box(0, 0, 160, 90));
    nextAnimationFrame();
    expect(sent).toHaveLength(1);
    await answered();
    nextAnimationFrame();
    expect(sent.at(-1)).toHaveLength(2);
  });

  it('leaves out boxes without an area', () => {
    show('remote', box(0, 0, 0, 0));
    nextAnimationFrame();
    expect(sent).toEqual([]);
  });
});
