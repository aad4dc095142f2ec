import { describe, expect, it } from 'vitest';
import type { CallStats } from '../backend/generated/CallStats';
import type { QualityReport } from '../backend/generated/QualityReport';
import { STATS, reportOf } from '../backend/fake/quality';
import { sceneOf } from '../backend/fake/scenes';
import { groupsOf } from './figures';
import { digits, ms, percent, rate, size } from './format';
import { pathOf, plotInWords, plotsOf, rangeOf, SAMPLES, spansOf } from './plots';
import { textOf } from './text';
import { verdictOf } from './verdict';

/** A report of the made-up call, with other figures. */
function report(changes: Partial<CallStats> = {}, more: Partial<QualityReport> = {}): QualityReport {
  const made = reportOf(sceneOf(new URLSearchParams({ scene: 'quality' })), Date.now());
  if (made === null) throw new Error('the scene is a call');
  return { ...made, stats: { ...STATS, ...changes }, ...more };
}

const sentence = (changes: Partial<CallStats>, more?: Partial<QualityReport>) =>
  verdictOf(report(changes, more)).sentence;

describe('what limits the call', () => {
  it('is nothing most of the time', () => {
    expect(verdictOf(report())).toEqual({ tone: 'well', sentence: 'All is well.' });
  });

  it('is the network, and how much it carries', () => {
    const thin = { sent_limited_by: 'bandwidth', estimate_kbps: 1_213, sent_height: 540 };
    expect(sentence(thin)).toBe('The network carries 1.2 Mbit/s: the picture you send is 540 lines.');
    expect(sentence({ ...thin, estimate_kbps: 287, sent_height: 180 })).toContain('287 kbit/s');
    expect(sentence({ ...thin, sent_height: 0 })).toBe('All is well.');
  });

  it('is the machine before the network, with its load where that is known', () => {
    const busy = { sent_limited_by: 'cpu', sent_height: 360 };
    expect(sentence(busy)).toBe('This machine is busy: the picture you send is 360 lines.');
    expect(sentence({ ...busy, machine_busy: 0.97 })).toContain('busy (97 %):');
    expect(sentence({ ...busy, machine_busy: null, received_loss: 0.5 })).toContain('This machine');
    expect(sentence({ received_fps: 20, decode_ms: 48 })).toBe('This machine is too busy to show every picture.');
  });

  it('is loss, the worse of both ways', () => {
    expect(sentence({ received_loss: 0.034, sent_loss: 0.01 })).toBe('The network loses 3.4 % of what comes in.');
    expect(verdictOf(report({ sent_loss: 0.2, sent_limited_by: 'bandwidth' }))).toEqual({
      tone: 'bad',
      sentence: 'The network loses 20 % of what you send.',
    });
    expect(sentence({ concealed: 0.06 })).toContain('6 % of the sound');
  });

  it('is delay, with the way named where the way is it', () => {
    expect(sentence({ latency_ms_p50: 320, rtt_ms: 80 })).toBe('Pictures are 320 ms old when you see them.');
    expect(sentence({ latency_ms_p50: 320, rtt_ms: 520 })).toMatch(/^The way is long: pictures are 320 ms/);
    expect(verdictOf(report({ latency_ms_p50: 480 })).tone).toBe('bad');
    const uneven = { jitter_ms: 55, playout_delay_ms: 120 };
    expect(sentence(uneven)).toMatch(/^The network is uneven: pictures wait 120 ms/);
    expect(sentence({ ...uneven, machine_busy: 0.99 })).toMatch(/^This machine is busy \(99 %\): pictures wait/);
  });

  it('is above all an interruption, and how long it has lasted', () => {
    const lost = { connection: 'reconnecting' as const, outage_ms: 12_400 };
    expect(sentence({ sent_limited_by: 'cpu' }, lost)).toBe(
      'The connection is interrupted: Eyeline has been looking for a new way for 12 s.',
    );
    expect(sentence({}, { ...lost, outage_ms: 300 })).toMatch(/a new way\.$/);
  });
});

describe('figures', () => {
  it('have two digits that count', () => {
    expect([0, 0.04, 0.26, 7.51, 9.96, 41.6, -0.01, -12.2].map(digits)).toEqual([
      '0',
      '0',
      '0.3',
      '7.5',
      '10',
      '42',
      '0',
      '-12',
    ]);
    expect([rate(0), rate(999.4), rate(999.6), rate(12_340)]).toEqual([
      '0 kbit/s',
      '999 kbit/s',
      '1.0 Mbit/s',
      '12.3 Mbit/s',
    ]);
    expect([percent(0.034), percent(null), ms(null), size(0, 0)]).toEqual(['3.4 %', '–', '–', '–']);
  });

  it('stand in four groups, and each row fits its columns', () => {
    const groups = groupsOf(report());
    expect(groups.map(({ title }) => title)).toEqual(['Picture', 'Sound', 'Network', 'Machine']);
    for (const { columns, rows } of groups) {
      for (const { cells, label } of rows) expect([1, columns?.length ?? 1], label).toContain(cells.length);
      expect(new Set(rows.map(({ label }) => label)).size).toBe(rows.length);
    }
  });

  it('are dashes where nothing is known', () => {
    const bare = sceneOf(new URLSearchParams({ scene: 'quality-bare' }));
    const made = reportOf(bare, Date.now());
    const cells = made === null ? [] : groupsOf(made).flatMap(({ rows }) => rows.flatMap((row) => row.cells));
    expect(cells.filter((cell) => /null|NaN|undefined/.test(cell))).toEqual([]);
    expect(cells.filter((cell) => cell === '–').length).toBeGreaterThan(5);
  });
});

describe('plots', () => {
  it('begin at the right edge and leave gaps', () => {
    expect(pathOf([0, 50, null, 200], 100)).toBe(
      `M${SAMPLES - 4} 60H${SAMPLES - 3}L${SAMPLES - 2} 30M${SAMPLES - 1} 0H${SAMPLES}`,
    );
    expect(pathOf([null, null], 100)).toBe('');
  });

  it('shade interruptions', () => {
    expect(spansOf([true, true, false, true])).toEqual([
      { x: SAMPLES - 4, width: 2 },
      { x: SAMPLES - 1, width: 1 },
    ]);
  });

  it('know their range, whatever is missing', () => {
    expect(rangeOf([null, 9, 1, 3, 2])).toEqual({ least: 1, median: 2, most: 9 });
    expect(rangeOf([null])).toBeUndefined();
  });

  it('have a round top that nothing exceeds', () => {
    const history = { ...report().history, received_loss: [0.21], estimate_kbps: [4_810], rtt_ms: [null] };
    const tops = Object.fromEntries(plotsOf(history).map(({ id, top }) => [id, top]));
    expect(tops['loss']).toBeCloseTo(0.3);
    expect(tops).toMatchObject({ bitrate: 5_000, rtt: 50 });
  });

  it('can be told', () => {
    const history = { ...report().history, latency_ms_p50: [30, 40, 90], latency_ms_p95: [null, null, null] };
    const told = plotsOf(history).map(plotInWords)[0];
    expect(told).toBe(
      'Latency of the last five minutes. median: between 30 ms and 90 ms, median 40 ms. p95: not known.',
    );
  });
});

describe('the text for a bug report', () => {
  const about = { version: '1.2.3', platform: 'macos', live: true };

  it('says what program, what limits it, every figure and the minutes before', () => {
    const made = report({ sent_limited_by: 'bandwidth', estimate_kbps: 1_200, sent_height: 540 });
    const text = textOf(made, about);
    expect(text).toMatch(/^Eyeline 1\.2\.3 on macOS, 12 min into the call\nThe network carries 1\.2 Mbit\/s/);
    for (const { title, rows } of groupsOf(made)) {
      expect(text).toContain(`\n${title}`);
      for (const { label, cells } of rows) for (const part of [label, ...cells]) expect(text).toContain(part);
    }
    expect(text).toMatch(/Last 300 s +least +median +most\n {2}latency p50, ms +\d+ +\d+ +\d+\n/);
    expect(text).toContain('interrupted for 0 s');
    expect(text.length).toBeLessThan(8_000);
  });

  it('holds nothing of who it is with, or where', () => {
    const scene = sceneOf(new URLSearchParams({ scene: 'quality', name: 'Ada Lindqvist' }));
    const made = reportOf(scene, Date.now());
    const text = made === null ? '' : textOf(made, about);
    expect(text).not.toMatch(/Ada|Mira|https?:|\/j#|\d+\.\d+\.\d+\.\d+/);
  });

  it('tells the end of a call from the middle of one', () => {
    expect(textOf(report(), { ...about, live: false })).toContain('at the end of a call of 12 min');
  });
});
