/** Past calls as one list: what the engine remembers of people, and the links the shell remembers. */

import type { Outcome } from '../backend/generated/Outcome';
import type { PastCall } from '../backend/generated/PastCall';
import type { RecentCall } from '../backend/generated/RecentCall';

/** One line of the list. */
export interface Past {
  key: string;
  name: string;
  atMs: number;
  durationMs: number;
  /** How it went; none for a link of which nothing else is known. */
  went: { outcome: Outcome; incoming: boolean } | undefined;
  contact: string | undefined;
  /** To join again. */
  link: string | undefined;
  /** What the engine calls it, to forget it. */
  id: number | undefined;
}

/** The two name the beginning of a call by different moments: asking for it, and the other side's coming. */
const SLACK_MS = 120_000;

/** Newest first. A call that both remember is listed once, with its link. */
export function pastCalls(history: readonly PastCall[], recent: readonly RecentCall[]): Past[] {
  const left = new Set(recent);
  const past = history.map((call) => {
    const link = [...left].find((candidate) => isSame(call, candidate));
    if (link !== undefined) left.delete(link);
    return fromHistory(call, link?.link);
  });
  return [...past, ...[...left].map(fromLink)].sort((a, b) => b.atMs - a.atMs);
}

function isSame(call: PastCall, recent: RecentCall): boolean {
  if (call.name !== '' && recent.name !== '' && call.name !== recent.name) return false;
  const callEnd = call.at_unix_ms + call.duration_ms;
  const recentEnd = recent.at_unix_ms + recent.duration_ms;
  return call.at_unix_ms <= recentEnd + SLACK_MS && recent.at_unix_ms <= callEnd + SLACK_MS;
}

function fromHistory(call: PastCall, link: string | undefined): Past {
  return {
    key: `call ${call.id}`,
    name: call.name,
    atMs: call.at_unix_ms,
    durationMs: call.duration_ms,
    went: { outcome: call.outcome, incoming: call.incoming },
    contact: call.contact ?? undefined,
    link,
    id: call.id,
  };
}

function fromLink(call: RecentCall): Past {
  return {
    key: `link ${call.link} ${call.at_unix_ms}`,
    name: call.name,
    atMs: call.at_unix_ms,
    durationMs: call.duration_ms,
    went: undefined,
    contact: undefined,
    link: call.link,
    id: undefined,
  };
}
