/** Made-up people for the fake backend. */

import type { Contact } from '../generated/Contact';
import type { IncomingRing } from '../generated/IncomingRing';
import type { PastCall } from '../generated/PastCall';
import type { People } from '../generated/People';
import type { RemoteIdentity } from '../generated/RemoteIdentity';
import type { SasEmoji } from '../generated/SasEmoji';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export const SAS: SasEmoji[] = [
  { emoji: '🐙', name: 'Octopus' },
  { emoji: '🌵', name: 'Cactus' },
  { emoji: '🎸', name: 'Guitar' },
  { emoji: '☂️', name: 'Umbrella' },
  { emoji: '🍕', name: 'Pizza' },
];

/** Words a made-up code may be of. */
export const WORDS =
  'amber amount anchor apple apron arctic arrow autumn basket beacon bridge candle canyon cotton harbor lantern maple meadow pepper ribbon silver timber velvet violin visit vivid walnut winter'.split(
    ' ',
  );

export const CODE = '7-amber-violin';

function contact(id: string, name: string, changes: Partial<Contact> = {}): Contact {
  return {
    id,
    name,
    own_name: name,
    verified: false,
    blocked: false,
    online: false,
    can_ring: true,
    presence_allowed: true,
    relay_only: false,
    ...changes,
  };
}

function contacts(): Contact[] {
  return [
    contact('grandpa', 'Grandpa', { own_name: 'Henrik Lindqvist', verified: true }),
    contact('jonas', 'Jonas Weber', { can_ring: false, presence_allowed: false }),
    contact('mira', 'Mira Okafor', { verified: true, online: true }),
    contact('priya', 'Priya Raghunathan-Venkataraman', { online: true, relay_only: true }),
    contact('tom', 'Tom', { blocked: true }),
  ];
}

function past(id: number, changes: Partial<PastCall>): PastCall {
  return {
    id,
    contact: null,
    name: '',
    incoming: true,
    outcome: 'answered',
    at_unix_ms: 0,
    duration_ms: 0,
    unseen: false,
    ...changes,
  };
}

function history(now: number): PastCall[] {
  const mira = { contact: 'mira', name: 'Mira Okafor' };
  const grandpa = { contact: 'grandpa', name: 'Grandpa' };
  const priya = { contact: 'priya', name: 'Priya Raghunathan-Venkataraman' };
  return [
    past(9, { ...grandpa, outcome: 'missed', at_unix_ms: now - 22 * MINUTE_MS, unseen: true }),
    past(8, { ...mira, at_unix_ms: now - 3 * HOUR_MS, duration_ms: 26 * MINUTE_MS + 8_000 }),
    past(7, { ...priya, outcome: 'missed', at_unix_ms: now - 5 * HOUR_MS, unseen: true }),
    past(6, { ...priya, incoming: false, outcome: 'busy', at_unix_ms: now - 9 * HOUR_MS }),
    past(5, { ...grandpa, incoming: false, at_unix_ms: now - 26 * HOUR_MS, duration_ms: HOUR_MS + 4 * MINUTE_MS }),
    past(4, { ...mira, incoming: false, outcome: 'cancelled', at_unix_ms: now - 50 * HOUR_MS }),
  ];
}

export function people(now: number): People {
  const calls = history(now);
  return {
    contacts: contacts(),
    history: calls,
    unseen_missed: calls.filter((call) => call.unseen).length,
    incoming: null,
    reachable: 'yes',
    do_not_disturb: false,
    relay_only: false,
  };
}

export function nobody(): People {
  return {
    contacts: [],
    history: [],
    unseen_missed: 0,
    incoming: null,
    reachable: 'no_server',
    do_not_disturb: false,
    relay_only: false,
  };
}

export function ringOf(of: Pick<Contact, 'id' | 'name' | 'verified'>): IncomingRing {
  return { contact: of.id, name: of.name, verified: of.verified, since_unix_ms: Date.now() };
}

export function identity(changes: Partial<RemoteIdentity> = {}): RemoteIdentity {
  return { contact: null, trust: 'invited', sas: SAS, exchange: 'none', ...changes };
}
