/** What happens to a made-up call when its buttons are pressed. */

import type { Contact } from '../generated/Contact';
import type { EndReason } from '../generated/EndReason';
import type { FakeApp, Handlers } from './app';
import { ended, inCall, LINK, shownCode, waiting, type InCall } from './calls';
import { CODE, identity, WORDS } from './people';

const STEP_MS = 700;
const GUEST_COMES_MS = 4_000;
const NEW_CODE = '12-velvet-lantern';

type CallHandlers = Pick<
  Handlers,
  | 'call_start'
  | 'call_join'
  | 'call_join_code'
  | 'call_hang_up'
  | 'call_dismiss'
  | 'code_new'
  | 'code_withdraw'
  | 'code_check'
  | 'code_complete'
  | 'contact_ring'
  | 'ring_accept'
  | 'ring_decline'
>;

/** How made-up contacts answer; the others accept. */
const ANSWERS: Record<string, EndReason> = { grandpa: 'no_answer', priya: 'busy', tom: 'not_reachable' };

export function callHandlers(app: FakeApp): CallHandlers {
  return {
    call_start: ({ code, relay_only }) => {
      app.phase({ kind: 'joining', link: LINK });
      app.later(STEP_MS, () => app.phase(waiting({ code: code ? { kind: 'asking' } : null })));
      if (code) app.later(2 * STEP_MS, () => giveCode(app, CODE));
      if (code) app.later(GUEST_COMES_MS - STEP_MS, () => app.within('waiting', takeCode));
      return app.later(GUEST_COMES_MS, () => connect(app, { relay_only }));
    },
    call_join: ({ link, relay_only }) => {
      if (!isLink(link)) throw { code: 'bad_link', detail: '' };
      app.phase({ kind: 'joining', link });
      return app.later(STEP_MS, () => connect(app, { relay_only }));
    },
    call_join_code: ({ code, server, relay_only }) => {
      if (server === null && app.scene.app.settings.server === '') throw { code: 'no_server', detail: '' };
      const written = code.trim().toLowerCase().replaceAll(/\W+/g, '-');
      app.phase({ kind: 'claiming', code: written });
      if (written === CODE) return app.later(STEP_MS, () => connect(app, { relay_only }));
      const reason = written.startsWith('7-') ? 'wrong_code' : 'unknown_code';
      return app.later(STEP_MS, () => app.phase(ended(reason)));
    },
    call_hang_up: () => hangUp(app),
    call_dismiss: () => app.phase({ kind: 'idle' }),
    code_new: () => {
      app.within('waiting', (phase) => {
        phase.code = { kind: 'asking' };
      });
      return app.later(STEP_MS, () => giveCode(app, NEW_CODE));
    },
    code_withdraw: () =>
      app.within('waiting', (phase) => {
        phase.code = null;
      }),
    code_check: ({ code }) => check(code),
    code_complete: ({ prefix }) => (prefix === '' ? [] : WORDS.filter((word) => word.startsWith(prefix)).slice(0, 8)),
    contact_ring: ({ contact }) => ring(app, app.contact(contact)),
    ring_accept: ({ camera }) => {
      const from = app.contact(app.scene.snapshot.people.incoming?.contact ?? '');
      app.change((now) => {
        now.people.incoming = null;
        now.local.camera_on = camera;
        now.phase = { kind: 'joining', link: LINK };
      });
      return app.later(STEP_MS, () => connect(app, from && callWith(from)));
    },
    ring_decline: () =>
      app.change((now) => {
        now.people.incoming = null;
      }),
  };
}

export function isLink(text: string): boolean {
  return /^(https?|eyeline):\/\/[^/\s]+\/j#1\.[\w-]{22}\d?$/.test(text.trim());
}

function giveCode(app: FakeApp, code: string): null {
  return app.within('waiting', (phase) => {
    phase.code = shownCode(code);
  });
}

function takeCode(phase: { code: unknown }): void {
  phase.code = { kind: 'taken' };
}

function check(code: string): { ok: boolean; problem: string | null } {
  const [nameplate, ...words] = code
    .trim()
    .toLowerCase()
    .split(/[^a-z\d]+/);
  const unknown = words.find((word) => !WORDS.includes(word));
  if (unknown !== undefined) return { ok: false, problem: `“${unknown}” is not one of the words.` };
  const whole = nameplate !== undefined && /^\d+$/.test(nameplate) && words.length === 2;
  return whole ? { ok: true, problem: null } : { ok: false, problem: 'A code is a number and two words.' };
}

function callWith(contact: Contact): Partial<InCall> {
  return {
    remote: { ...inCall().remote, name: contact.name },
    identity: identity({ contact: contact.id, trust: contact.verified ? 'verified' : 'invited' }),
    relay_only: contact.relay_only,
    path: contact.relay_only ? 'relayed' : 'direct',
  };
}

function ring(app: FakeApp, contact: Contact | undefined): null {
  if (contact === undefined) throw { code: 'internal', detail: 'no such contact' };
  const { id, name } = contact;
  const at = (state: 'calling' | 'ringing' | 'accepted') => () =>
    app.phase(waiting({ ringing: { contact: id, name, state } }));
  at('calling')();
  app.later(STEP_MS, at('ringing'));
  const answer = ANSWERS[id];
  if (answer !== undefined) return app.later(GUEST_COMES_MS, () => app.phase(ended(answer, name)));
  app.later(GUEST_COMES_MS - STEP_MS, at('accepted'));
  return app.later(GUEST_COMES_MS, () => connect(app, callWith(contact)));
}

function connect(app: FakeApp, changes: Partial<InCall> = {}): null {
  const remote = { ...inCall().remote, ...changes.remote };
  app.phase({ kind: 'connecting', link: LINK });
  app.later(STEP_MS, () => app.phase(inCall({ ...changes, path: 'unknown', remote: { ...remote, picture: false } })));
  return app.later(STEP_MS * 2, () => app.phase(inCall(changes)));
}

function hangUp(app: FakeApp): null {
  app.hush();
  const { phase } = app.scene.snapshot;
  const talked = phase.kind === 'in_call';
  return app.phase({
    kind: 'ended',
    reason: 'hung_up',
    duration_ms: talked ? Date.now() - phase.since_unix_ms : 0,
    remote_name: talked ? phase.remote.name : '',
    link: LINK,
  });
}
