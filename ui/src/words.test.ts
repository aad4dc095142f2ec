import { describe, expect, it } from 'vitest';
import type { CommandErrorCode } from './backend/generated/CommandErrorCode';
import type { DeviceProblem } from './backend/generated/DeviceProblem';
import type { EndReason } from './backend/generated/EndReason';
import { commandWords, deviceWords, endWords, nameOr, phaseCode, phaseWords, type Words } from './words';
import { inCall, LINK } from './backend/fake/scenes';

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
    expectPlain(endWords(reason, 'Mira'));
    expectPlain(endWords(reason, ''));
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
    expect(endWords('remote_hung_up', 'Mira').title).toBe('Mira left the call');
    expect(endWords('remote_hung_up', ' ').title).toBe('The other person left the call');
    expect(nameOr('  Mira ')).toBe('Mira');
  });

  it('tell how the two are connected', () => {
    expect(phaseWords(inCall())).toBe('Connected directly');
    expect(phaseWords(inCall({ path: 'relayed' }))).toBe('Connected through a relay');
    expect(phaseWords(inCall({ connection: 'reconnecting' }))).toBe('Reconnecting…');
    expect(phaseCode(inCall({ connection: 'reconnecting' }))).toBe('reconnecting');
    expect(phaseWords({ kind: 'connecting', link: LINK })).toBe('Connecting…');
    expect(phaseWords({ kind: 'idle' })).toBe('');
  });
});
