/** Calls in every state, for the fake backend. */

import type { CodeState } from '../generated/CodeState';
import type { EndReason } from '../generated/EndReason';
import type { Local } from '../generated/Local';
import type { OutgoingRing } from '../generated/OutgoingRing';
import type { Phase } from '../generated/Phase';
import type { RemoteIdentity } from '../generated/RemoteIdentity';
import { CODE, identity } from './people';
import { qualityScene, STATS } from './quality';

export const LINK = 'https://calls.example.org/j#1.q7Zp2mXv0RkT5sLwN8dYbA';

export type InCall = Extract<Phase, { kind: 'in_call' }>;
export type Waiting = Extract<Phase, { kind: 'waiting' }>;

const MINUTE_MS = 60_000;
const CODE_LIFE_MS = 10 * MINUTE_MS;

export function inCall(changes: Partial<InCall> = {}, sinceMs = Date.now()): InCall {
  return {
    kind: 'in_call',
    link: LINK,
    since_unix_ms: sinceMs,
    connection: 'connected',
    outage_since_unix_ms: null,
    path: 'direct',
    signaling: true,
    remote: { name: 'Mira Okafor', microphone_on: true, camera_on: true, picture: true },
    identity: identity(),
    relay_only: false,
    stats: STATS,
    ...changes,
  };
}

export function waiting(changes: Partial<Waiting> = {}): Waiting {
  return { kind: 'waiting', link: LINK, code: null, ringing: null, ...changes };
}

export function shownCode(code = CODE, wrongTries = 0): CodeState {
  return { kind: 'shown', code, expires_unix_ms: Date.now() + CODE_LIFE_MS, wrong_tries: wrongTries };
}

const MET: EndReason[] = ['hung_up', 'remote_hung_up', 'remote_vanished'];
const RUNG: EndReason[] = ['declined', 'busy', 'no_answer', 'not_reachable'];

export function ended(reason: EndReason, name = 'Mira Okafor'): Phase {
  const met = MET.includes(reason);
  return {
    kind: 'ended',
    reason,
    duration_ms: met ? 26 * MINUTE_MS + 8_000 : 0,
    remote_name: met || RUNG.includes(reason) ? name : '',
    link: reason === 'bad_link' || reason.endsWith('_code') ? '' : LINK,
  };
}

type CallScene = [Phase, Partial<Local>?];

function waitingScene(name: string): CallScene | undefined {
  const codes: Record<string, CodeState> = {
    waiting_code: shownCode(),
    waiting_code_tried: shownCode('12-velvet-lantern', 1),
    waiting_code_asking: { kind: 'asking' },
    waiting_code_taken: { kind: 'taken' },
    waiting_code_burned: { kind: 'burned', wrong_tries: 3 },
    waiting_code_expired: { kind: 'expired' },
    waiting_code_unavailable: { kind: 'unavailable' },
  };
  const rings: Record<string, OutgoingRing['state']> = {
    ringing: 'ringing',
    ringing_calling: 'calling',
    ringing_accepted: 'accepted',
  };
  const key = name.replaceAll('-', '_');
  const [code, state] = [codes[key], rings[key]];
  if (code !== undefined) return [waiting({ code })];
  return state && [waiting({ ringing: { contact: 'mira', name: 'Mira Okafor', state } })];
}

function identityScene(name: string, since: number): CallScene | undefined {
  const identities: Record<string, Partial<RemoteIdentity>> = {
    'call-verified': { contact: 'mira', trust: 'verified' },
    'call-contact': { contact: 'mira' },
    'call-changed': { trust: 'changed' },
    'call-mismatch': { trust: 'mismatch' },
    'call-no-sas': { sas: [] },
    'call-asked': { exchange: 'asked' },
    'call-requested': { exchange: 'requested' },
    'call-added': { contact: 'mira', exchange: 'added' },
    'call-refused': { exchange: 'declined' },
  };
  const changes = identities[name];
  return changes && [inCall({ identity: identity(changes) }, since)];
}

/** Phase and changes of our own side for each named scene that is a call. */
export function callScene(name: string, since: number): CallScene | undefined {
  const remote = inCall().remote;
  switch (name) {
    case 'claiming':
      return [{ kind: name, code: CODE }];
    case 'waiting':
      return [waiting()];
    case 'joining':
    case 'connecting':
      return [{ kind: name, link: LINK }];
    case 'call':
      return [inCall({}, since)];
    case 'call-relayed':
      return [inCall({ path: 'relayed' }, since)];
    case 'call-hidden':
      return [inCall({ path: 'relayed', relay_only: true }, since)];
    case 'call-muted':
      return [inCall({ remote: { ...remote, microphone_on: false } }, since), { microphone_on: false }];
    case 'call-camera-off':
      return [
        inCall({ remote: { ...remote, camera_on: false } }, since),
        { camera_on: false, camera: { kind: 'off' } },
      ];
    case 'call-no-camera':
      return [inCall({}, since), { camera: { kind: 'failed', problem: 'not_found' } }];
    case 'call-no-server':
      return [inCall({ signaling: false }, since)];
    case 'reconnecting':
      return [inCall({ connection: 'reconnecting', outage_since_unix_ms: Date.now() - 4_000 }, since)];
    default:
      if (name.startsWith('ended')) return [ended((name.slice(6) || 'remote_hung_up') as EndReason)];
      return waitingScene(name) ?? identityScene(name, since) ?? qualityScene(name, since);
  }
}
