/** Everything that can go wrong or change, in plain words with what to do next. Exhaustive by type. */

import type { CommandErrorCode } from './backend/generated/CommandErrorCode';
import type { DeviceProblem } from './backend/generated/DeviceProblem';
import type { EndReason } from './backend/generated/EndReason';
import type { Path } from './backend/generated/Path';
import type { Phase } from './backend/generated/Phase';
import type { VideoQuality } from './backend/generated/VideoQuality';

/** What happened, and what to do about it. */
export interface Words {
  title: string;
  next: string;
}

/** The way on that fits best: into the same call, a new one, or only home. */
export type WayOn = 'rejoin' | 'start' | 'home';

interface EndWords {
  title: (who: string) => string;
  next: string;
  wayOn: WayOn;
}

/** Words for the other side when its name is not known. */
export function nameOr(name: string, unknown = 'the other person'): string {
  return name.trim() === '' ? unknown : name.trim();
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
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
  internal: {
    title: () => 'Something went wrong in Eyeline',
    next: 'Try again. If it happens once more, please report it together with the log.',
    wayOn: 'rejoin',
  },
};

/** Why a call ended; `name` is the other side's, empty when unknown. */
export function endWords(reason: EndReason, name: string): Words & { wayOn: WayOn } {
  const { title, next, wayOn } = ENDED[reason];
  return { title: title(nameOr(name)), next, wayOn };
}

export type DeviceKind = 'camera' | 'microphone' | 'speaker';

const DEVICE: Record<DeviceProblem, (device: DeviceKind) => Words> = {
  not_found: (device) => ({
    title: `No ${device} found`,
    next: `Connect one: it is used as soon as it is there.${without(device)}`,
  }),
  busy: (device) => ({
    title: `The ${device} is in use by another program`,
    next: `Close that program, or choose another ${device} under Devices.`,
  }),
  permission_denied: (device) => ({
    title: `Eyeline may not use the ${device}`,
    next: `Allow it in the privacy settings of your system, then choose the ${device} again under Devices.`,
  }),
  unplugged: (device) => ({
    title: `The ${device} was unplugged`,
    next: `Plug it in again and it goes on by itself, or choose another under Devices.`,
  }),
  unsupported: (device) => ({
    title: `The ${device} offers nothing Eyeline can use`,
    next: `Choose another ${device} under Devices.`,
  }),
  failed: (device) => ({
    title: `The ${device} does not work`,
    next: `Unplug it and plug it in again, or choose another under Devices.`,
  }),
};

function without(device: DeviceKind): string {
  const lacking: Record<DeviceKind, string> = {
    camera: ' You can talk without.',
    microphone: ' You can watch and listen without.',
    speaker: '',
  };
  return lacking[device];
}

/** What is wrong with a device. */
export function deviceWords(problem: DeviceProblem, device: DeviceKind): Words {
  return DEVICE[problem](device);
}

const COMMAND: Record<CommandErrorCode, Words> = {
  bad_link: {
    title: 'This is not an Eyeline link',
    next: 'A link looks like https://…/j#1.… Copy all of it and paste it again.',
  },
  bad_server: {
    title: 'This is not the address of a server',
    next: 'An address looks like https://calls.example.org. Leave the field empty to do without a server.',
  },
  cannot_host: {
    title: 'This computer could not host the call',
    next: 'Eyeline could not open a port. Check the firewall, or set a server in Settings.',
  },
  cannot_save: {
    title: 'The settings could not be saved',
    next: 'Is the disk full, or the folder write-protected? They hold until you close Eyeline.',
  },
  internal: {
    title: 'That did not work',
    next: 'Try again. If it happens once more, please report it together with the log.',
  },
};

/** Why a button did not do what it says. */
export function commandWords(code: CommandErrorCode): Words {
  return COMMAND[code];
}

const PATH: Record<Path, string> = {
  unknown: 'Connected',
  direct: 'Connected directly',
  relayed: 'Connected through a relay',
};

/** State of the call, for people; empty when there is none. */
export function phaseWords(phase: Phase): string {
  switch (phase.kind) {
    case 'idle':
    case 'ended':
      return '';
    case 'joining':
      return 'Reaching the server…';
    case 'waiting':
      return 'Waiting for the other person';
    case 'connecting':
      return 'Connecting…';
    case 'in_call':
      return phase.connection === 'reconnecting' ? 'Reconnecting…' : PATH[phase.path];
  }
}

/** The same, as a stable word for style sheets and tests. */
export function phaseCode(phase: Phase): string {
  return phase.kind === 'in_call' ? phase.connection : phase.kind;
}

export const SERVER_AWAY: Words = {
  title: 'The server is out of reach',
  next: 'The call goes on without it.',
};

export const QUALITY: Record<VideoQuality, { label: string; detail: string }> = {
  low: { label: 'Low', detail: '360p, up to 0.8 Mbit/s. For slow networks.' },
  standard: { label: 'Standard', detail: '720p, up to 2.5 Mbit/s.' },
  high: { label: 'High', detail: '1080p, up to 5 Mbit/s. For fast networks and computers.' },
};
