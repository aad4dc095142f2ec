/** What is plotted of the last minutes, and how it becomes lines. */

import type { QualityHistory } from '../backend/generated/QualityHistory';
import { ms, percent, rate } from './format';

/** The engine keeps this many samples, one a second: a line that is shorter begins further right. */
export const SAMPLES = 300;
/** Height of a plot in the units of its paths; a sample is one unit wide. */
export const HEIGHT = 60;

export type Value = number | null;

/** How a line looks: by its colour, and for those who do not see it by its dashes. */
export type Stroke = 'first' | 'second' | 'bound';

export interface Line {
  name: string;
  stroke: Stroke;
  values: Value[];
}

export interface Plot {
  id: string;
  title: string;
  lines: Line[];
  format: (value: number) => string;
  /** Value of the upper edge. */
  top: number;
}

export interface Range {
  least: number;
  median: number;
  most: number;
}

type PlotShape = Omit<Plot, 'top'> & { leastTop: number };

export function plotsOf(history: QualityHistory): Plot[] {
  const shapes: PlotShape[] = [
    {
      id: 'latency',
      title: 'Latency',
      lines: [
        { name: 'median', stroke: 'first', values: history.latency_ms_p50 },
        { name: 'p95', stroke: 'second', values: history.latency_ms_p95 },
      ],
      format: ms,
      leastTop: 50,
    },
    {
      id: 'bitrate',
      title: 'Bitrate',
      lines: [
        { name: 'received', stroke: 'first', values: history.received_kbps },
        { name: 'sent', stroke: 'second', values: history.sent_kbps },
        { name: 'estimate', stroke: 'bound', values: history.estimate_kbps },
      ],
      format: rate,
      leastTop: 500,
    },
    {
      id: 'loss',
      title: 'Loss',
      lines: [
        { name: 'received', stroke: 'first', values: history.received_loss },
        { name: 'sent', stroke: 'second', values: history.sent_loss },
      ],
      format: percent,
      leastTop: 0.05,
    },
    {
      id: 'rtt',
      title: 'Round trip',
      lines: [{ name: 'there and back', stroke: 'first', values: history.rtt_ms }],
      format: ms,
      leastTop: 50,
    },
  ];
  return shapes.map(({ leastTop, ...shape }) => ({ ...shape, top: top(shape.lines, leastTop) }));
}

/** Smallest, middle and largest of the known values. */
export function rangeOf(values: readonly Value[]): Range | undefined {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  const [least, median, most] = [known[0], known[Math.floor((known.length - 1) / 2)], known.at(-1)];
  return least === undefined || median === undefined || most === undefined ? undefined : { least, median, most };
}

/** Path of a line whose newest value is at the right edge; what is not known is a gap, a lone value a dot. */
export function pathOf(values: readonly Value[], top: number): string {
  const from = SAMPLES - values.length;
  const y = (value: number) => Math.round((1 - Math.min(Math.max(value / top, 0), 1)) * HEIGHT * 10) / 10;
  return values
    .map((value, i) => {
      if (value === null) return '';
      const [x, before] = [from + i, values[i - 1] ?? null];
      if (before !== null) return `L${x + 1} ${y(value)}`;
      return `M${x} ${y(value)}H${x + 1}`;
    })
    .join('');
}

/** Stretches of `true` as begin and length, in the units of the paths. */
export function spansOf(flags: readonly boolean[]): { x: number; width: number }[] {
  const from = SAMPLES - flags.length;
  const spans: { x: number; width: number }[] = [];
  flags.forEach((flag, i) => {
    if (!flag) return;
    const last = spans.at(-1);
    if (last !== undefined && last.x + last.width === from + i) last.width += 1;
    else spans.push({ x: from + i, width: 1 });
  });
  return spans;
}

/** A plot for those who hear it. */
export function plotInWords({ title, lines, format }: Plot): string {
  const told = lines.map(({ name, values }) => {
    const range = rangeOf(values);
    if (range === undefined) return `${name}: not known`;
    return `${name}: between ${format(range.least)} and ${format(range.most)}, median ${format(range.median)}`;
  });
  return `${title} of the last five minutes. ${told.join('. ')}.`;
}

/** The next round number above everything. */
function top(lines: Line[], least: number): number {
  const most = Math.max(least, ...lines.map(({ values }) => rangeOf(values)?.most ?? 0));
  const magnitude = 10 ** Math.floor(Math.log10(most));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * magnitude >= most) ?? 10;
  return step * magnitude;
}
