/** The figures as text for a bug report: of the call and the machine only, of nobody's name, address or link. */

import type { QualityHistory } from '../backend/generated/QualityHistory';
import type { QualityReport } from '../backend/generated/QualityReport';
import { spoken } from '../state/time';
import { groupsOf, type Group } from './figures';
import { digits, UNKNOWN } from './format';
import { rangeOf, type Value } from './plots';
import { verdictOf } from './verdict';

const SYSTEMS: Record<string, string> = { linux: 'Linux', macos: 'macOS', windows: 'Windows' };

export interface About {
  version: string;
  platform: string;
  /** The call goes on. */
  live: boolean;
}

export function textOf(report: QualityReport, { version, platform, live }: About): string {
  const when = live
    ? `${spoken(report.duration_ms)} into the call`
    : `at the end of a call of ${spoken(report.duration_ms)}`;
  return [
    `Eyeline ${version} on ${SYSTEMS[platform] ?? platform}, ${when}`,
    verdictOf(report).sentence,
    ...groupsOf(report).flatMap((group) => ['', ...groupInText(group)]),
    '',
    ...historyInText(report.history),
    '',
  ].join('\n');
}

function groupInText({ title, columns, rows }: Group): string[] {
  const cells = rows.map((row) => [`  ${row.label}`, ...row.cells]);
  return table(
    columns === undefined ? [[title], ...cells] : [[title, ...columns.map((name) => name.toLowerCase())], ...cells],
  );
}

const per = (unit: number) => (value: number) => digits(value * unit);

/** Each list of the history, with its name and unit. */
const COLUMNS: [string, (history: QualityHistory) => readonly Value[], (value: number) => string][] = [
  ['latency p50, ms', (history) => history.latency_ms_p50, digits],
  ['latency p95, ms', (history) => history.latency_ms_p95, digits],
  ['received, kbit/s', (history) => history.received_kbps, digits],
  ['sent, kbit/s', (history) => history.sent_kbps, digits],
  ['estimate, kbit/s', (history) => history.estimate_kbps, digits],
  ['received loss, %', (history) => history.received_loss, per(100)],
  ['sent loss, %', (history) => history.sent_loss, per(100)],
  ['round trip, ms', (history) => history.rtt_ms, digits],
  ['jitter, ms', (history) => history.jitter_ms, digits],
  ['received pictures/s', (history) => history.received_fps, digits],
  ['sent pictures/s', (history) => history.sent_fps, digits],
  ['received lines', (history) => history.received_height, String],
  ['sent lines', (history) => history.sent_height, String],
  ['jitter buffer of sound, ms', (history) => history.audio_delay_ms, digits],
  ['filled in sound, %', (history) => history.concealed, per(100)],
  ['sound later than picture, ms', (history) => history.lip_sync_ms, digits],
  ['processor, % of one', (history) => history.cpu, per(100)],
];

function historyInText(history: QualityHistory): string[] {
  const seconds = history.reconnecting.length;
  const interrupted = history.reconnecting.filter(Boolean).length;
  const rows = COLUMNS.map(([name, column, format]) => {
    const range = rangeOf(column(history));
    const cells =
      range === undefined ? [UNKNOWN, UNKNOWN, UNKNOWN] : [range.least, range.median, range.most].map(format);
    return [`  ${name}`, ...cells];
  });
  return [...table([[`Last ${seconds} s`, 'least', 'median', 'most'], ...rows]), `  interrupted for ${interrupted} s`];
}

/** Columns that stand under each other in a font of equal widths. */
function table(rows: string[][]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
