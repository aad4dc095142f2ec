/** Why calls end, and the way on. */

import type { EndReason } from '../backend/generated/EndReason';
import { nameOr, sentence, UNKNOWN, type Words } from './plain';

/** The way on that fits best: into the same call, a new one, ringing again, another code, or only home. */
export type WayOn = 'rejoin' | 'start' | 'ring' | 'code' | 'home';

interface EndWords {
  title: (who: string) => string;
  next: string;
  wayOn: WayOn;
}

const ENDED: Record<EndReason, EndWords> = {
  hung_up: {
    title: () => 'You left the call',
    next: 'The link still works: you can join again, or start another call.',
    wayOn: 'rejoin',
  },
  remote_hung_up: {
    title: (who) => `${sentence(who)} left the call`,
    next: 'The link still works, for both of you.',
    wayOn: 'rejoin',
  },
  remote_vanished: {
    title: (who) => `The connection to ${who} was lost`,
    next: 'Their computer may be asleep or offline. Join again and wait: they come back with the same link.',
    wayOn: 'rejoin',
  },
  bad_link: {
    title: () => 'This link cannot be read',
    next: 'Ask for it again and copy all of it, from the first letter to the last.',
    wayOn: 'home',
  },
  server_unreachable: {
    title: () => 'The server could not be reached',
    next: 'Check your network. If the other person hosts the call, their Eyeline must be open and on the same network. If you use a server, check its address in Settings.',
    wayOn: 'rejoin',
  },
  server_refused: {
    title: () => 'The server refused the call',
    next: 'It may be full, or newer or older than this Eyeline. Try again in a minute; if it stays so, update Eyeline or use another server.',
    wayOn: 'rejoin',
  },
  room_full: {
    title: () => 'Two people are in this call already',
    next: 'A call is for two. Try again when one of them has left, or start a call of your own.',
    wayOn: 'start',
  },
  no_path: {
    title: (who) => `No way through to ${who} was found`,
    next: 'A firewall on one of the two networks stops the call. Try another network on either side, a phone hotspot for example.',
    wayOn: 'rejoin',
  },
  incompatible: {
    title: (who) => `Eyeline and ${who} do not understand each other`,
    next: 'Copy the link again, whole. If it is the right one, both sides need the same version of Eyeline.',
    wayOn: 'rejoin',
  },
  tampered: {
    title: () => 'Somebody interfered with this call',
    next: 'What arrived was not what the other side sent, so Eyeline closed the call. Try another network or another server, and a new link.',
    wayOn: 'start',
  },
  key_changed: {
    title: (who) => `This was not the ${who === UNKNOWN ? 'contact' : who} you know`,
    next: 'The other side has another key: a new device, or somebody else. Ask them by another way; if it is them, remove the contact and add it anew in a call.',
    wayOn: 'home',
  },
  no_relay: {
    title: () => 'Your address could not be hidden',
    next: 'The server has no relay, and without one the other side would learn your address. Use another server, or start the call without hiding it.',
    wayOn: 'home',
  },
  bad_code: {
    title: () => 'This is not a code',
    next: 'A code is a number and two words, like 7-amber-violin.',
    wayOn: 'code',
  },
  unknown_code: {
    title: () => 'Nobody waits with this code',
    next: 'It may be mistyped, used or expired. Ask for the words once more, and make sure both of you use the same server.',
    wayOn: 'code',
  },
  wrong_code: {
    title: () => 'The words were not right',
    next: 'A code allows one try. The other person sees a new one by now: ask for it.',
    wayOn: 'code',
  },
  declined: {
    title: (who) => `${sentence(who)} declined`,
    next: 'They may call you back when it suits them.',
    wayOn: 'home',
  },
  busy: {
    title: (who) => `${sentence(who)} is in another call`,
    next: 'They see that you called. Try again in a while.',
    wayOn: 'ring',
  },
  no_answer: {
    title: (who) => `${sentence(who)} did not answer`,
    next: 'They see that you called. Try again later, or send them a link.',
    wayOn: 'ring',
  },
  not_reachable: {
    title: (who) => `${sentence(who)} cannot be reached now`,
    next: 'Their Eyeline may be closed or offline. Try again later, or send them a link.',
    wayOn: 'ring',
  },
  internal: {
    title: () => 'Something went wrong in Eyeline',
    next: 'Try again. If it happens once more, please report it together with the log.',
    wayOn: 'rejoin',
  },
};

/** Why a call ended; `name` is the other side's, empty when unknown, and so is the link of a call that had none to share. */
export function endWords(reason: EndReason, name: string, link: string): Words & { wayOn: WayOn } {
  const { title, next, wayOn } = ENDED[reason];
  if (link === '' && wayOn === 'rejoin') {
    const again = reason === 'server_unreachable' ? next : 'You can ring again, or start another call.';
    return { title: title(nameOr(name)), next: again, wayOn: 'ring' };
  }
  return { title: title(nameOr(name)), next, wayOn };
}
