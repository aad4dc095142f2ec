import { describe, expect, it } from 'vitest';
import type { CodeState } from '../backend/generated/CodeState';
import type { CommandErrorCode } from '../backend/generated/CommandErrorCode';
import type { ContactExchange } from '../backend/generated/ContactExchange';
import type { DeviceProblem } from '../backend/generated/DeviceProblem';
import type { EndReason } from '../backend/generated/EndReason';
import {
  codeWords,
  commandWords,
  deviceWords,
  endWords,
  exchangeWords,
  leftWords,
  nameOr,
  phaseCode,
  phaseWords,
  outcomeWords,
  ringWords,
  trustWords,
  type Words,
} from '.';
import type { RingState } from '../backend/generated/RingState';
import type { Trust } from '../backend/generated/Trust';
import { inCall, LINK } from '../backend/fake/scenes';

// Keyed by type: a new code fails the type check here and in `words.ts` until it has words.
const REASONS: Record<EndReason, true> = {
  hung_up: true,
  remote_hung_up: true,
  remote_vanished: true,
  bad_link: true,
  server_unreachable: true,
  server_refused: true,
  room_full: true,
  no_path: true,
  incompatible: true,
  tampered: true,
  key_changed: true,
  no_relay: true,
  bad_code: true,
  unknown_code: true,
  wrong_code: true,
  declined: true,
  busy: true,
  no_answer: true,
  not_reachable: true,
  internal: true,
};
const PROBLEMS: Record<DeviceProblem, true> = {
  not_found: true,
  busy: true,
  permission_denied: true,
  unplugged: true,
  unsupported: true,
  failed: true,
};
const CODES: Record<CommandErrorCode, true> = {
  bad_link: true,
  bad_server: true,
  cannot_host: true,
  cannot_save: true,
  bad_code: true,
  no_server: true,
  cannot_export: true,
  internal: true,
};

function keys<Key extends string>(record: Record<Key, true>): Key[] {
  return Object.keys(record) as Key[];
}

/** Something for people: a title without a full stop, then whole sentences, no codes. */
function expectPlain({ title, next }: Words) {
  expect(title).toMatch(/^[A-Z].*[^.]$/);
  expect(next).toMatch(/^[A-Z].*[.]|…/);
  expect(`${title} ${next}`).not.toMatch(/undefined|[a-z]_[a-z]/);
}

describe('words', () => {
  it.each(keys(REASONS))('say why a call ended and what to do: %s', (reason) => {
    expectPlain(endWords(reason, 'Mira', 'link'));
    expectPlain(endWords(reason, '', ''));
  });

  it.each(keys(PROBLEMS))('say what is wrong with a device: %s', (problem) => {
    for (const device of ['camera', 'microphone', 'speaker'] as const) {
      const words = deviceWords(problem, device);
      expectPlain(words);
      expect(words.title).toContain(device);
    }
  });

  it.each(keys(CODES))('say why a command failed: %s', (code) => expectPlain(commandWords(code)));

  it('name the other side, or do without its name', () => {
    expect(endWords('remote_hung_up', 'Mira', 'link').title).toBe('Mira left the call');
    expect(endWords('hung_up', 'Mira', '').wayOn).toBe('ring');
    expect(endWords('remote_hung_up', ' ', 'link').title).toBe('The other person left the call');
    expect(nameOr('  Mira ')).toBe('Mira');
  });

  it('tell how the two are connected', () => {
    expect(phaseWords(inCall())).toBe('Connected directly');
    expect(phaseWords(inCall({ path: 'relayed' }))).toBe('Connected through a relay');
    expect(phaseWords(inCall({ connection: 'reconnecting' }))).toBe('Reconnecting: looking for a new path…');
    const alone = inCall({ connection: 'reconnecting', signaling: false });
    expect(phaseWords(alone)).toBe('Reconnecting: waiting for the network…');
    expect(phaseCode(inCall({ connection: 'reconnecting' }))).toBe('reconnecting');
    expect(phaseWords({ kind: 'connecting', link: LINK })).toBe('Connecting…');
    expect(phaseWords({ kind: 'idle' })).toBe('');
  });

  it('say where a code stands', () => {
    const states: Record<CodeState['kind'], CodeState> = {
      asking: { kind: 'asking' },
      shown: { kind: 'shown', code: '7-amber-violin', expires_unix_ms: 0, wrong_tries: 0 },
      taken: { kind: 'taken' },
      burned: { kind: 'burned', wrong_tries: 3 },
      expired: { kind: 'expired' },
      unavailable: { kind: 'unavailable' },
    };
    for (const state of Object.values(states)) expectPlain(codeWords(state));
    expect(codeWords(states.burned).next).toContain('so far: 3.');
    expect(leftWords(61_000)).toContain('2 more minutes');
    expect(leftWords(60_000)).toContain('less than a minute');
    expect(leftWords(-1)).toContain('about to expire');
  });

  it('speak of people, by name or without', () => {
    const trusts: Record<Trust, true> = { invited: true, verified: true, changed: true, mismatch: true };
    const rings: Record<RingState, true> = { calling: true, ringing: true, accepted: true };
    const exchanges: Record<ContactExchange, true> = {
      none: true,
      requested: true,
      asked: true,
      added: true,
      declined: true,
    };
    for (const name of ['Mira', '']) {
      keys(trusts).forEach((trust) => expectPlain(trustWords(trust, name)));
      keys(rings).forEach((ring) => expectPlain(ringWords(ring, name)));
      keys(exchanges).forEach((exchange) => expectPlain(exchangeWords(exchange, name)));
    }
    expect(outcomeWords('missed', true)).toBe('Missed');
    expect(outcomeWords('missed', false)).toBe('No answer');
  });
});
