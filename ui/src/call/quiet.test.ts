// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Quiet } from './quiet.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('quiet', () => {
  it('steps back after three seconds and comes back at a sign of life', () => {
    const quiet = new Quiet(() => false);
    const stop = quiet.watch();
    vi.advanceTimersByTime(2_999);
    expect(quiet.away).toBe(false);
    vi.advanceTimersByTime(1);
    expect(quiet.away).toBe(true);
    dispatchEvent(new Event('focusin'));
    expect(quiet.away).toBe(false);
    stop();
    vi.advanceTimersByTime(10_000);
    expect(quiet.away).toBe(false);
  });

  it('stays while held', () => {
    let held = true;
    const quiet = new Quiet(() => held);
    const stop = quiet.watch();
    vi.advanceTimersByTime(9_000);
    expect(quiet.away).toBe(false);
    held = false;
    vi.advanceTimersByTime(3_000);
    expect(quiet.away).toBe(true);
    stop();
  });
});
