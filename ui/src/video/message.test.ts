import { describe, expect, it } from 'vitest';
import { acknowledgement, HEADER_BYTES, readFrame, writeHeader } from './message';

function message(width: number, height: number, planes: number): ArrayBuffer {
  const bytes = new Uint8Array(HEADER_BYTES + planes);
  bytes.forEach((_, at) => (bytes[at] = at & 0xff));
  writeHeader(bytes.buffer, { tile: 'self_view', width, height, sequence: 0x1_0000_0002n });
  return bytes.buffer;
}

describe('messages', () => {
  it('have the shell’s header, byte by byte', () => {
    const header = new Uint8Array(message(3, 2, 10), 0, HEADER_BYTES);
    const expected = [0x46, 0x4c, 0x59, 0x45, 1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0];
    expect([...header]).toEqual(expected);
  });

  it('are read as planes, odd sizes rounded up', () => {
    const frame = readFrame(message(3, 2, 10));
    expect(frame).toMatchObject({ tile: 'self_view', width: 3, height: 2, sequence: 0x1_0000_0002n });
    expect([...(frame?.y ?? [])]).toEqual([24, 25, 26, 27, 28, 29]);
    expect([...(frame?.u ?? [])]).toEqual([30, 31]);
    expect([...(frame?.v ?? [])]).toEqual([32, 33]);
  });

  it('are refused when they are not whole, or not pictures', () => {
    expect(readFrame(new ArrayBuffer(0))).toBeNull();
    expect(readFrame(message(3, 2, 9))).toBeNull();
    expect(readFrame(message(3, 2, 11))).toBeNull();
    expect(readFrame(message(0, 2, 0))).toBeNull();
    expect(readFrame(message(0xffff_ffff, 0xffff_ffff, 10))).toBeNull();
    const otherMagic = message(3, 2, 10);
    new DataView(otherMagic).setUint8(0, 0);
    expect(readFrame(otherMagic)).toBeNull();
    const otherTile = message(3, 2, 10);
    new DataView(otherTile).setUint8(4, 2);
    expect(readFrame(otherTile)).toBeNull();
  });

  it('are answered with magic and sequence', () => {
    const answer = new Uint8Array(acknowledgement(0x0102n));
    expect([...answer]).toEqual([0x46, 0x4c, 0x59, 0x45, 2, 1, 0, 0, 0, 0, 0, 0]);
  });
});
