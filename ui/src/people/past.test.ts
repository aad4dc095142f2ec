import { describe, expect, it } from 'vitest';
import type { PastCall } from '../backend/generated/PastCall';
import type { RecentCall } from '../backend/generated/RecentCall';
import { pastCalls } from './past';

const MINUTE_MS = 60_000;

function call(changes: Partial<PastCall>): PastCall {
  return {
    id: 1,
    contact: null,
    name: 'Mira',
    incoming: false,
    outcome: 'answered',
    at_unix_ms: 100 * MINUTE_MS,
    duration_ms: 20 * MINUTE_MS,
    unseen: false,
    ...changes,
  };
}

function link(changes: Partial<RecentCall>): RecentCall {
  return { link: 'a', name: 'Mira', at_unix_ms: 99 * MINUTE_MS, duration_ms: 20 * MINUTE_MS, ...changes };
}

describe('past calls', () => {
  it('list once what both remember, with the link', () => {
    const past = pastCalls([call({})], [link({})]);
    expect(past).toHaveLength(1);
    expect(past[0]).toMatchObject({ id: 1, link: 'a', name: 'Mira' });
  });

  it('give one link to one call', () => {
    const past = pastCalls([call({ id: 2, at_unix_ms: 101 * MINUTE_MS }), call({})], [link({})]);
    expect(past.map((line) => line.link)).toEqual(['a', undefined]);
  });

  it('keep apart calls with others, or at other times', () => {
    const others = [link({ name: 'Ben', link: 'b' }), link({ at_unix_ms: 10 * MINUTE_MS, link: 'c' })];
    const past = pastCalls([call({})], others);
    expect(past.map((line) => line.link)).toEqual([undefined, 'b', 'c']);
  });

  it('come newest first, whoever remembers them', () => {
    const past = pastCalls([call({ id: 3, at_unix_ms: 5 * MINUTE_MS, duration_ms: 0 })], [link({})]);
    expect(past.map((line) => line.key)).toEqual([`link a ${99 * MINUTE_MS}`, 'call 3']);
  });
});
