/** Everything that can go wrong or change, in plain words with what to do next. Exhaustive by type. */

import type { CommandErrorCode } from '../backend/generated/CommandErrorCode';
import type { DeviceProblem } from '../backend/generated/DeviceProblem';
import type { Path } from '../backend/generated/Path';
import type { Phase } from '../backend/generated/Phase';
import type { VideoQuality } from '../backend/generated/VideoQuality';
import { ringWords } from './people';
import type { Words } from './plain';

export { codeWords, leftWords, TRIED } from './code';
export { endWords, type WayOn } from './ended';
export { exchangeWords, outcomeWords, reachableWords, ringWords, trustWords } from './people';
export { nameOr, sentence, type Words } from './plain';

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
  bad_code: {
    title: 'This is not a code',
    next: 'A code is a number and two words, like 7-amber-violin.',
  },
  no_server: {
    title: 'A code needs a server',
    next: 'Type the address of the server that the other person uses, or set one in Settings.',
  },
  cannot_export: {
    title: 'The file could not be written',
    next: 'Is the disk full, or the Downloads folder write-protected? Then try again.',
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
  relayed_tcp: 'Connected through a relay',
  relayed_tls: 'Connected through a relay',
};

/** State of the call, for people; empty when there is none. */
export function phaseWords(phase: Phase): string {
  switch (phase.kind) {
    case 'idle':
    case 'ended':
      return '';
    case 'claiming':
      return 'Checking the code…';
    case 'joining':
      return 'Reaching the server…';
    case 'waiting':
      return phase.ringing === null
        ? 'Waiting for the other person'
        : ringWords(phase.ringing.state, phase.ringing.name).title;
    case 'connecting':
      return 'Connecting…';
    case 'in_call':
      if (phase.connection === 'connected') {
        return PATH[phase.path];
      }
      // With the server in reach it is the path between the two that broke; without it, most likely our own network.
      return phase.signaling ? 'Reconnecting: looking for a new path…' : 'Reconnecting: waiting for the network…';
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
