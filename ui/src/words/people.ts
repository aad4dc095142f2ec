/** Words about other people: rings, past calls, trust, being reached. */

import type { ContactExchange } from '../backend/generated/ContactExchange';
import type { Outcome } from '../backend/generated/Outcome';
import type { Reachable } from '../backend/generated/Reachable';
import type { RingState } from '../backend/generated/RingState';
import type { Trust } from '../backend/generated/Trust';
import { nameOr, sentence, type Words } from './plain';

const RINGING: Record<RingState, (who: string) => Words> = {
  calling: (who) => ({ title: `Calling ${who}…`, next: 'Their server is being reached.' }),
  ringing: (who) => ({ title: `Ringing ${who}…`, next: 'Eyeline rings at their side now.' }),
  accepted: (who) => ({ title: `${sentence(who)} accepted`, next: 'They are about to join.' }),
};

/** How far a ring is. */
export function ringWords(state: RingState, name: string): Words {
  return RINGING[state](nameOr(name));
}

const OUTCOME: Record<Outcome, { incoming: string; outgoing: string }> = {
  answered: { incoming: 'Incoming', outgoing: 'Outgoing' },
  missed: { incoming: 'Missed', outgoing: 'No answer' },
  declined: { incoming: 'You declined', outgoing: 'Declined' },
  busy: { incoming: 'You were in a call', outgoing: 'Was in a call' },
  cancelled: { incoming: 'Missed', outgoing: 'No answer' },
  failed: { incoming: 'Not connected', outgoing: 'Not connected' },
};

/** How a past call went, in two words. */
export function outcomeWords(outcome: Outcome, incoming: boolean): string {
  return OUTCOME[outcome][incoming ? 'incoming' : 'outgoing'];
}

const TRUST: Record<Trust, (who: string) => Words> = {
  invited: (who) => ({
    title: 'Not verified',
    next: `The link, the code or the ring led you to ${who}. To be certain, compare the emoji.`,
  }),
  verified: (who) => ({
    title: 'Verified',
    next: `You compared the emoji with ${who}: nobody is in between.`,
  }),
  changed: (who) => ({
    title: `This may not be ${who}`,
    next: 'A contact has this name, but another key: a new device, or somebody else. Compare the emoji before you say anything private.',
  }),
  mismatch: () => ({
    title: 'The emoji differ',
    next: 'Somebody may be in between and listen. Hang up, and arrange a new call by another way.',
  }),
};

/** What is known of the other side's key. */
export function trustWords(trust: Trust, name: string): Words {
  return TRUST[trust](nameOr(name));
}

const EXCHANGE: Record<ContactExchange, (who: string) => Words> = {
  none: (who) => ({
    title: `${sentence(who)} is not among your contacts`,
    next: 'If both of you agree, you can ring each other without a link or a code.',
  }),
  requested: (who) => ({ title: `You asked ${who} to become a contact`, next: 'They have not answered yet.' }),
  asked: (who) => ({
    title: `${sentence(who)} would like to become a contact`,
    next: 'You could then ring each other without a link or a code.',
  }),
  added: (who) => ({ title: `${sentence(who)} is one of your contacts`, next: 'You can ring each other from home.' }),
  declined: (who) => ({
    title: `${sentence(who)} would rather not become a contact`,
    next: 'The link or a code still works.',
  }),
};

/** How far becoming contacts is. */
export function exchangeWords(exchange: ContactExchange, name: string): Words {
  return EXCHANGE[exchange](nameOr(name));
}

const REACHABLE: Record<Reachable, string> = {
  no_server: 'To be rung by contacts, set a server in Settings.',
  connecting: 'Reaching the server: contacts cannot ring you yet.',
  yes: '',
  taken_over: 'Another Eyeline with your keys is being rung instead of this one.',
};

/** Why contacts cannot ring us; empty when they can. */
export function reachableWords(reachable: Reachable): string {
  return REACHABLE[reachable];
}
