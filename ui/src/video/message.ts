/**
 * One picture as the shell sends it: a header of 24 bytes, then the Y, U and V planes without padding
 * (I420, BT.601 limited range). All numbers little endian. The layout is that of the shell's `frames.rs`.
 *
 * | bytes | what |
 * |---|---|
 * | 0..4 | magic |
 * | 4 | tile: 0 remote, 1 self view |
 * | 5..8 | zero |
 * | 8..12 | width in pixels |
 * | 12..16 | height in pixels |
 * | 16..24 | sequence |
 *
 * The answer to each message is 12 bytes: magic, sequence.
 */

import type { TileName } from '../backend/generated/TileName';

export const HEADER_BYTES = 24;
const ACKNOWLEDGEMENT_BYTES = 12;
const MAGIC = 0x4559_4c46;
const TILES: readonly TileName[] = ['remote', 'self_view'];
/** Larger than any camera; a message claiming more is not one of the shell's. */
const SIDE_MAX = 16_384;

export interface Header {
  tile: TileName;
  width: number;
  height: number;
  sequence: bigint;
}

/** A picture whose planes are views into the message. */
export interface Frame extends Header {
  y: Uint8Array;
  u: Uint8Array;
  v: Uint8Array;
}

/** Width or height of the colour planes: half, rounded up. */
export function halved(side: number): number {
  return (side + 1) >> 1;
}

export function writeHeader(message: ArrayBuffer, header: Header): void {
  const view = new DataView(message);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, TILES.indexOf(header.tile), true);
  view.setUint32(8, header.width, true);
  view.setUint32(12, header.height, true);
  view.setBigUint64(16, header.sequence, true);
}

/** Reads a message; `null` when it is not a whole picture. */
export function readFrame(message: ArrayBuffer): Frame | null {
  if (message.byteLength < HEADER_BYTES) return null;
  const view = new DataView(message);
  const tile = TILES[view.getUint8(4)];
  const width = view.getUint32(8, true);
  const height = view.getUint32(12, true);
  if (view.getUint32(0, true) !== MAGIC || tile === undefined) return null;
  if (width === 0 || height === 0 || width > SIDE_MAX || height > SIDE_MAX) return null;

  const luma = width * height;
  const chroma = halved(width) * halved(height);
  if (message.byteLength !== HEADER_BYTES + luma + 2 * chroma) return null;
  return {
    tile,
    width,
    height,
    sequence: view.getBigUint64(16, true),
    y: new Uint8Array(message, HEADER_BYTES, luma),
    u: new Uint8Array(message, HEADER_BYTES + luma, chroma),
    v: new Uint8Array(message, HEADER_BYTES + luma + chroma, chroma),
  };
}

/** The answer to a message that was drawn or dropped. */
export function acknowledgement(sequence: bigint): ArrayBuffer {
  const answer = new ArrayBuffer(ACKNOWLEDGEMENT_BYTES);
  const view = new DataView(answer);
  view.setUint32(0, MAGIC, true);
  view.setBigUint64(4, sequence, true);
  return answer;
}
