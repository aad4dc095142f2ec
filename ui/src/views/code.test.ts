import { describe, expect, it } from 'vitest';
import { complete, typed, unfinished } from './code';

describe('what is typed', () => {
  it('is told by how it looks', () => {
    expect(typed('  ')).toBe('nothing');
    expect(typed('https://calls.example.org/j#1.q7')).toBe('link');
    expect(typed('192.168.1.20:8443/j#1.q7')).toBe('link');
    expect(typed(' 7 Amber')).toBe('code');
    expect(typed('7')).toBe('code');
    expect(typed('hello')).toBe('neither');
  });
});

describe('the unfinished word', () => {
  it('is found whatever stands between the words', () => {
    expect(unfinished('7-am')).toBe('am');
    expect(unfinished(' 7 AM')).toBe('am');
    expect(unfinished('7amb')).toBe('amb');
    expect(unfinished('7 amber vi')).toBe('vi');
    expect(unfinished('7.amber - VI')).toBe('vi');
  });

  it('is none after a separator, without a number, or after two words', () => {
    expect(unfinished('7')).toBe('');
    expect(unfinished('7-amber-')).toBe('');
    expect(unfinished('amber')).toBe('');
    expect(unfinished('7 amber violin x')).toBe('');
  });
});

describe('completing', () => {
  it('writes the code as codes are written, and waits for the next word', () => {
    expect(complete('7 AM', 'amber')).toBe('7-amber-');
    expect(complete('7-amber-', 'violin')).toBe('7-amber-violin');
    expect(complete('12 Amber  vi', 'violin')).toBe('12-amber-violin');
  });

  it('leaves alone what is no code', () => {
    expect(complete('hello', 'amber')).toBe('hello');
  });
});
