import { describe, expect, it } from 'vitest';
import { clock, dayAndTime, initials, spoken } from './time';

describe('time', () => {
  it('counts as a clock does', () => {
    expect(clock(0)).toBe('0:00');
    expect(clock(-5)).toBe('0:00');
    expect(clock(59_999)).toBe('0:59');
    expect(clock(247_000)).toBe('4:07');
    expect(clock(3_847_000)).toBe('1:04:07');
  });

  it('says durations as people do', () => {
    expect(spoken(8_400)).toBe('8 s');
    expect(spoken(26 * 60_000 + 8_000)).toBe('26 min');
    expect(spoken(3_600_000)).toBe('1 h');
    expect(spoken(3_840_000)).toBe('1 h 4 min');
  });

  it('names days near by', () => {
    const now = new Date(2026, 4, 20, 0, 10).getTime();
    expect(dayAndTime(now - 60_000, now)).toMatch(/^Today, /);
    expect(dayAndTime(now - 20 * 60_000, now)).toMatch(/^Yesterday, /);
    expect(dayAndTime(now - 40 * 86_400_000, now)).toMatch(/2026/);
  });

  it('takes initials from the first and last name', () => {
    expect(initials('Ada Byron Lovelace')).toBe('AL');
    expect(initials('grandpa')).toBe('G');
    expect(initials('  ')).toBe('');
    expect(initials('🦊 Fox')).toBe('🦊F');
  });
});
