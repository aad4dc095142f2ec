/** The figures of a call in groups of rows, for the sheet and for the text. */

import type { CallStats } from '../backend/generated/CallStats';
import type { Path } from '../backend/generated/Path';
import type { QualityReport } from '../backend/generated/QualityReport';
import { digits, mebibytes, ms, percent, perSecond, rate, size, UNKNOWN } from './format';

export interface Row {
  label: string;
  /** What it means, for the tooltip. */
  hint?: string;
  /** One value, or one for what is received and one for what is sent. */
  cells: string[];
}

export interface Group {
  id: 'picture' | 'sound' | 'network' | 'machine';
  title: string;
  /** What the columns are, where there are two. */
  columns?: readonly [string, string];
  rows: Row[];
}

const LIMITS: Record<string, string> = { none: 'Nothing', cpu: 'This machine', bandwidth: 'The network' };
const PATHS: Record<Path, string> = {
  unknown: UNKNOWN,
  direct: 'Direct',
  relayed: 'Through a relay',
  relayed_tcp: 'Through a relay, over TCP',
  relayed_tls: 'Through a relay, over TLS',
};

export function groupsOf({ path, stats }: QualityReport): Group[] {
  return [
    { id: 'picture', title: 'Picture', columns: ['Received', 'Sent'], rows: picture(stats) },
    { id: 'sound', title: 'Sound', rows: sound(stats) },
    { id: 'network', title: 'Network', columns: ['Received', 'Sent'], rows: network(stats, path) },
    { id: 'machine', title: 'Machine', rows: machine(stats) },
  ];
}

function picture(stats: CallStats): Row[] {
  const error = stats.latency_error_ms === null ? '' : ` ±${digits(stats.latency_error_ms)}`;
  const seen = stats.pictures_shown > 0;
  const sent = stats.sent_fps > 0;
  return [
    {
      label: 'Size',
      cells: [size(stats.received_width, stats.received_height), size(stats.sent_width, stats.sent_height)],
    },
    { label: 'Pictures', cells: [perSecond(stats.received_fps), perSecond(stats.sent_fps)] },
    { label: 'Codec', cells: [stats.received_codec || UNKNOWN, stats.codec || UNKNOWN] },
    {
      label: 'Decode, encode',
      hint: 'Time it takes for one picture',
      cells: [ms(seen ? stats.decode_ms : null), ms(sent ? stats.encode_ms : null)],
    },
    {
      label: 'Left out',
      hint: 'Pictures that came and were not shown; pictures of the camera that were not sent',
      cells: [String(stats.received_dropped), String(stats.sent_dropped)],
    },
    {
      label: 'Keyframes asked for',
      hint: 'By this side; by the other side',
      cells: [String(stats.plis_sent), String(stats.plis_received)],
    },
    {
      label: 'Limited by',
      hint: 'Why the picture you send is smaller than that of the camera',
      cells: [UNKNOWN, sent ? (LIMITS[stats.sent_limited_by] ?? stats.sent_limited_by) : UNKNOWN],
    },
    {
      label: 'Latency',
      hint: 'From the other camera to your screen, half of the pictures; ± is how exactly it is known',
      cells: [`${ms(stats.latency_ms_p50)}${error}`],
    },
    {
      label: 'Latency, p95',
      hint: '95 of 100 pictures are faster',
      cells: [ms(stats.latency_ms_p95)],
    },
    {
      label: 'Held to run smoothly',
      hint: 'Part of the latency',
      cells: [ms(seen ? stats.playout_delay_ms : null)],
    },
    {
      label: 'Freezes',
      hint: 'Times that no new picture came for more than 200 ms, and how long in all',
      cells: [stats.freezes === 0 ? '0' : `${stats.freezes}, ${digits(stats.frozen_ms / 1_000)} s`],
    },
    {
      label: 'First picture',
      hint: 'After you asked for the call',
      cells: [stats.first_picture_ms === null ? UNKNOWN : `${digits(stats.first_picture_ms / 1_000)} s`],
    },
  ];
}

function sound(stats: CallStats): Row[] {
  return [
    {
      label: 'Jitter buffer',
      hint: 'Time that sound waits so that it does not break off, and how long it should',
      cells: [
        stats.audio_delay_ms === 0
          ? UNKNOWN
          : `${ms(stats.audio_delay_ms)}, aims at ${digits(stats.audio_target_delay_ms)}`,
      ],
    },
    { label: 'Filled in', hint: 'Sound that was lost and made up', cells: [percent(stats.concealed)] },
    { label: 'Repaired', hint: 'Sound that was lost and played from a copy', cells: [percent(stats.audio_repaired)] },
    {
      label: 'Shortened, stretched',
      hint: 'To lower and to raise the delay',
      cells: [`${percent(stats.audio_accelerated)}, ${percent(stats.audio_expanded)}`],
    },
    { label: 'Jitter', cells: [ms(stats.audio_jitter_ms)] },
    { label: 'Lip sync', hint: 'How much later than the picture its sound comes', cells: [lipSync(stats.lip_sync_ms)] },
  ];
}

function network(stats: CallStats, path: Path): Row[] {
  return [
    { label: 'Bitrate', cells: [rate(stats.received_kbps), rate(stats.sent_kbps)] },
    {
      label: 'Estimate',
      hint: 'What the network carries from here, as far as Eyeline has tried it',
      cells: [UNKNOWN, rate(stats.estimate_kbps)],
    },
    { label: 'Loss', cells: [percent(stats.received_loss), percent(stats.sent_loss)] },
    {
      label: 'Missing asked for',
      hint: 'Requests to send packets again',
      cells: [String(stats.nacks_sent), String(stats.nacks_received)],
    },
    {
      label: 'Sent again',
      hint: 'Missing packets that came in time; packets that you sent again',
      cells: [String(stats.packets_recovered), String(stats.packets_resent)],
    },
    {
      label: 'Made again',
      hint: 'Missing packets that were computed from others',
      cells: [String(stats.fec_recovered), UNKNOWN],
    },
    { label: 'Round trip', cells: [ms(stats.rtt_ms)] },
    { label: 'Jitter', cells: [ms(stats.jitter_ms)] },
    { label: 'Path', cells: [PATHS[path]] },
  ];
}

function machine(stats: CallStats): Row[] {
  const of = stats.processors === 1 ? '1 processor' : `${stats.processors} processors`;
  return [
    {
      label: 'Eyeline',
      hint: '100 % is one processor. The window itself is counted apart on some systems.',
      cells: [stats.cpu === null ? UNKNOWN : `${percent(stats.cpu)} of one processor`],
    },
    {
      label: 'Whole machine',
      hint: 'All programs together, on all processors',
      cells: [stats.machine_busy === null ? of : `${percent(stats.machine_busy)} of ${of}`],
    },
    { label: 'Memory of Eyeline', cells: [mebibytes(stats.memory_mib)] },
  ];
}

function lipSync(later: number | null): string {
  if (later === null) return UNKNOWN;
  if (Math.abs(later) < 0.5) return 'together';
  return later > 0 ? `sound ${ms(later)} later` : `sound ${ms(-later)} earlier`;
}
