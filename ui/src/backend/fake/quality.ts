/** Made-up figures of calls, good and bad ones, with minutes behind them that move as time goes on. */

import type { CallStats } from '../generated/CallStats';
import type { Local } from '../generated/Local';
import type { Phase } from '../generated/Phase';
import type { QualityHistory } from '../generated/QualityHistory';
import type { QualityReport } from '../generated/QualityReport';
import { inCall } from './calls';
import type { Scene } from './scenes';

const KEPT = 300;
const SECOND_MS = 1_000;
/** A call that ended had its last second this long ago. */
const ENDED_MS = 26 * 60_000 + 8_000;

export const STATS: CallStats = {
  first_picture_ms: 412,
  latency_ms_p50: 38,
  latency_ms_p95: 61,
  latency_error_ms: 2,
  received_fps: 30,
  sent_fps: 30,
  received_width: 1280,
  received_height: 720,
  sent_width: 1280,
  sent_height: 720,
  sent_limited_by: 'none',
  encode_ms: 9.4,
  decode_ms: 2.6,
  codec: 'VP9',
  received_codec: 'VP9',
  received_dropped: 0,
  sent_dropped: 2,
  keyframes_sent: 1,
  plis_sent: 0,
  plis_received: 1,
  playout_delay_ms: 4,
  received_kbps: 2140,
  sent_kbps: 2210,
  estimate_kbps: 4800,
  sent_loss: 0,
  received_loss: 0.002,
  rtt_ms: 12,
  jitter_ms: 3,
  nacks_sent: 14,
  nacks_received: 3,
  packets_resent: 5,
  packets_recovered: 19,
  fec_recovered: 0,
  concealed: 0,
  audio_repaired: 0.002,
  audio_accelerated: 0,
  audio_expanded: 0.001,
  audio_delay_ms: 22,
  audio_target_delay_ms: 20,
  audio_jitter_ms: 2,
  lip_sync_ms: -6,
  freezes: 0,
  frozen_ms: 0,
  pictures_shown: 4210,
  cpu: 0.58,
  machine_busy: 0.31,
  processors: 8,
  memory_mib: 128,
};

const THIN: Partial<CallStats> = {
  latency_ms_p50: 146,
  latency_ms_p95: 232,
  received_width: 640,
  received_height: 360,
  sent_width: 960,
  sent_height: 540,
  sent_limited_by: 'bandwidth',
  received_kbps: 640,
  sent_kbps: 1130,
  estimate_kbps: 1210,
  received_loss: 0.034,
  sent_loss: 0.012,
  rtt_ms: 104,
  jitter_ms: 18,
  playout_delay_ms: 42,
  nacks_sent: 611,
  packets_recovered: 1204,
  packets_resent: 322,
  concealed: 0.008,
  audio_delay_ms: 61,
  audio_target_delay_ms: 60,
  freezes: 3,
  frozen_ms: 1240,
  lip_sync_ms: 22,
};

const BUSY: Partial<CallStats> = {
  sent_width: 960,
  sent_height: 540,
  sent_limited_by: 'cpu',
  sent_dropped: 214,
  encode_ms: 31,
  cpu: 1.71,
  machine_busy: 0.97,
  processors: 2,
};

/** A system that tells little, and a browser at the other end. */
const BARE: Partial<CallStats> = {
  latency_ms_p50: null,
  latency_ms_p95: null,
  latency_error_ms: null,
  rtt_ms: null,
  lip_sync_ms: null,
  cpu: null,
  machine_busy: null,
  memory_mib: null,
};

export function qualityScene(name: string, since: number): [Phase, Partial<Local>?] | undefined {
  const scenes: Record<string, Partial<CallStats>> = {
    quality: {},
    'quality-thin': THIN,
    'quality-busy': BUSY,
    'quality-bare': BARE,
    'quality-lost': { ...THIN, received_kbps: 0, received_fps: 0 },
  };
  const changes = scenes[name];
  if (changes === undefined) return undefined;
  const stats = { ...STATS, ...changes };
  if (name !== 'quality-lost') return [inCall({ stats }, since)];
  return [inCall({ stats, connection: 'reconnecting', outage_since_unix_ms: Date.now() - 12_000 }, since)];
}

/** What the engine would answer now. */
export function reportOf({ snapshot }: Scene, now: number): QualityReport | null {
  const { phase } = snapshot;
  if (phase.kind === 'ended' && phase.duration_ms > 0) {
    return report(STATS, { duration_ms: phase.duration_ms, connection: 'connected', outage_ms: null }, ENDED_MS);
  }
  if (phase.kind !== 'in_call') return null;
  const outage = phase.outage_since_unix_ms;
  const call = {
    duration_ms: now - phase.since_unix_ms,
    connection: phase.connection,
    outage_ms: outage === null ? null : now - outage,
    path: phase.path,
  };
  return report(phase.stats, call, now);
}

type Call = Pick<QualityReport, 'duration_ms' | 'connection' | 'outage_ms'> & { path?: QualityReport['path'] };

function report(stats: CallStats, call: Call, now: number): QualityReport {
  const last = Math.floor(now / SECOND_MS);
  const seconds = Math.min(KEPT, Math.max(1, Math.floor(call.duration_ms / SECOND_MS)));
  const at = Array.from({ length: seconds }, (_, i) => last - seconds + 1 + i);
  const lost = Math.floor((call.outage_ms ?? 0) / SECOND_MS);
  const history = historyOf(stats, at, (second) => lost > 0 && last - second < lost);
  return { path: 'direct', ...call, stats, history };
}

function historyOf(stats: CallStats, at: number[], lost: (second: number) => boolean): QualityHistory {
  const wave = (second: number, salt: number) =>
    0.06 * Math.sin(second / (7 + salt)) + 0.05 * Math.sin(second / (2.3 + salt)) + 0.05 * noise(second, salt);
  const flowing = (value: number, salt: number) =>
    at.map((second) => (lost(second) ? 0 : Math.max(0, value * (1 + wave(second, salt)))));
  const known = (value: number | null, salt: number) =>
    at.map((second) => (value === null || lost(second) ? null : Math.max(0, value * (1 + wave(second, salt)))));
  const bursts = (value: number, salt: number) =>
    at.map((second) => (noise(second, salt) > 0.55 ? value * (1 + noise(second, salt + 1)) : value / 4));
  return {
    reconnecting: at.map(lost),
    latency_ms_p50: known(stats.latency_ms_p50, 1),
    latency_ms_p95: known(stats.latency_ms_p95, 2),
    received_kbps: flowing(stats.received_kbps, 3),
    sent_kbps: flowing(stats.sent_kbps, 4),
    estimate_kbps: at.map((second) => stats.estimate_kbps * (1 + wave(Math.floor(second / 9), 5))),
    received_loss: bursts(stats.received_loss, 6),
    sent_loss: bursts(stats.sent_loss, 7),
    rtt_ms: known(stats.rtt_ms, 8),
    jitter_ms: flowing(stats.jitter_ms, 9),
    received_fps: flowing(stats.received_fps, 10),
    sent_fps: flowing(stats.sent_fps, 11),
    received_height: at.map(() => stats.received_height),
    sent_height: at.map(() => stats.sent_height),
    audio_delay_ms: flowing(stats.audio_delay_ms, 12),
    concealed: bursts(stats.concealed, 13),
    lip_sync_ms: at.map(() => stats.lip_sync_ms),
    cpu: known(stats.cpu, 14),
  };
}

/** Between -1 and 1, the same for the same second. */
function noise(second: number, salt: number): number {
  const wild = Math.sin((second % 10_000) * 127.1 + salt * 311.7) * 43_758.5453;
  return 2 * (wild - Math.floor(wild)) - 1;
}
