/** What limits the call now, in one sentence. */

import type { QualityReport } from '../backend/generated/QualityReport';
import { spoken } from '../state/time';
import { percent, rate } from './format';

export type Tone = 'well' | 'limited' | 'bad';

export interface Verdict {
  tone: Tone;
  sentence: string;
}

/** More is seen and heard, repaired or not. */
const LOSS_SEEN = 0.02;
const LOSS_BAD = 0.1;
/** One-way delay from which people begin to talk at the same time is 150 ms (ITU-T G.114), and it is bad from 400 ms. */
const LATENCY_FELT_MS = 250;
const LATENCY_BAD_MS = 400;
const JITTER_SEEN_MS = 40;
/** Share of sound that was made up. */
const CONCEALED_HEARD = 0.03;
const BUSY = 0.9;
/** Decoding that takes this share of the time there is cannot keep up. */
const DECODING_FULL = 0.9;

/** Whatever is worst is said, and the cause before what follows from it. */
export function verdictOf(report: QualityReport): Verdict {
  return outage(report) ?? machine(report) ?? network(report) ?? { tone: 'well', sentence: 'All is well.' };
}

function outage({ connection, outage_ms }: QualityReport): Verdict | undefined {
  if (connection !== 'reconnecting') return undefined;
  const since = outage_ms === null || outage_ms < 1_000 ? '' : ` for ${spoken(outage_ms)}`;
  return { tone: 'bad', sentence: `The connection is interrupted: Eyeline has been looking for a new way${since}.` };
}

function machine({ stats }: QualityReport): Verdict | undefined {
  const load = stats.machine_busy !== null && stats.machine_busy >= BUSY ? ` (${percent(stats.machine_busy)})` : '';
  if (stats.sent_limited_by === 'cpu' && stats.sent_height > 0) {
    return {
      tone: 'limited',
      sentence: `This machine is busy${load}: the picture you send is ${lines(stats.sent_height)}.`,
    };
  }
  if ((stats.received_fps * stats.decode_ms) / 1_000 >= DECODING_FULL) {
    return { tone: 'bad', sentence: `This machine is too busy${load} to show every picture.` };
  }
  return undefined;
}

function network({ stats }: QualityReport): Verdict | undefined {
  const [loss, way] =
    stats.received_loss >= stats.sent_loss
      ? [stats.received_loss, 'comes in' as const]
      : [stats.sent_loss, 'you send' as const];
  if (loss >= LOSS_BAD) return { tone: 'bad', sentence: `The network loses ${percent(loss)} of what ${way}.` };
  if (stats.sent_limited_by === 'bandwidth' && stats.sent_height > 0) {
    const carries = `The network carries ${rate(stats.estimate_kbps)}`;
    return { tone: 'limited', sentence: `${carries}: the picture you send is ${lines(stats.sent_height)}.` };
  }
  if (loss >= LOSS_SEEN) return { tone: 'limited', sentence: `The network loses ${percent(loss)} of what ${way}.` };
  if (stats.concealed >= CONCEALED_HEARD) {
    return {
      tone: 'limited',
      sentence: `The network is uneven: ${percent(stats.concealed)} of the sound is filled in.`,
    };
  }
  return delay(stats);
}

function delay(stats: QualityReport['stats']): Verdict | undefined {
  const latency = stats.latency_ms_p50 ?? 0;
  const tone = latency >= LATENCY_BAD_MS ? 'bad' : 'limited';
  if (latency >= LATENCY_FELT_MS) {
    const late = `Pictures are ${Math.round(latency)} ms old when you see them`;
    const half = (stats.rtt_ms ?? 0) / 2;
    return { tone, sentence: half > latency / 2 ? `The way is long: ${lower(late)}.` : `${late}.` };
  }
  if (stats.jitter_ms >= JITTER_SEEN_MS) {
    // A machine with its hands full receives late what came in time.
    const busy = (stats.machine_busy ?? 0) >= BUSY;
    const who = busy ? `This machine is busy (${percent(stats.machine_busy)})` : 'The network is uneven';
    const held = `pictures wait ${Math.round(stats.playout_delay_ms)} ms so that they run smoothly`;
    return { tone: 'limited', sentence: `${who}: ${held}.` };
  }
  return undefined;
}

function lines(height: number): string {
  return `${height} lines`;
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
