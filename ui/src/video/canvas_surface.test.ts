// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TileName } from '../backend/generated/TileName';
import { canvasSurface } from './canvas_surface';
import { HEADER_BYTES, writeHeader } from './message';
import * as painters from './painter';
import type { Surface } from './surface';

let acknowledged: bigint[];
let drawn: bigint[];
let frames: FrameRequestCallback[];
let deliver: (message: ArrayBuffer) => void;
let surface: Surface;

function message(tile: TileName, sequence: bigint): ArrayBuffer {
  const bytes = new ArrayBuffer(HEADER_BYTES + 6);
  writeHeader(bytes, { tile, width: 2, height: 2, sequence });
  return bytes;
}

function nextAnimationFrame() {
  frames.splice(0).forEach((run) => run(0));
}

beforeEach(() => {
  [acknowledged, drawn, frames] = [[], [], []];
  vi.stubGlobal('requestAnimationFrame', (run: FrameRequestCallback) => frames.push(run));
  vi.spyOn(painters, 'choosePainter').mockReturnValue({
    draw: (frame) => drawn.push(frame.sequence) > 0,
    close: () => undefined,
  });
  surface = canvasSurface((onMessage) => {
    deliver = onMessage;
    return {
      acknowledge: (answer) => acknowledged.push(new DataView(answer).getBigUint64(4, true)),
      close: () => undefined,
    };
  });
});

afterEach(() => vi.unstubAllGlobals());

function show(name: TileName): () => void {
  const [box, canvas] = [document.createElement('div'), document.createElement('canvas')];
  return surface.add({ name, box, canvas, fit: 'cover', mirror: false, radius: 0 });
}

describe('canvas surface', () => {
  it('draws the newest once per animation frame and answers every message', () => {
    show('remote');
    [1n, 2n, 3n].forEach((sequence) => deliver(message('remote', sequence)));
    expect(acknowledged).toEqual([1n, 2n]);
    nextAnimationFrame();
    expect(drawn).toEqual([3n]);
    expect(acknowledged).toEqual([1n, 2n, 3n]);
  });

  it('keeps the tiles apart', () => {
    show('remote');
    show('self_view');
    deliver(message('remote', 1n));
    deliver(message('self_view', 2n));
    nextAnimationFrame();
    expect(drawn).toEqual([1n, 2n]);
  });

  it('answers for pictures that have no place, and draws none after its tile is gone', () => {
    deliver(message('remote', 1n));
    expect(acknowledged).toEqual([1n]);
    const remove = show('remote');
    deliver(message('remote', 2n));
    remove();
    nextAnimationFrame();
    expect(drawn).toEqual([]);
    expect(acknowledged).toEqual([1n, 2n]);
  });

  it('ignores what is not a picture', () => {
    show('remote');
    deliver(new ArrayBuffer(7));
    nextAnimationFrame();
    expect([drawn, acknowledged]).toEqual([[], []]);
  });
});
