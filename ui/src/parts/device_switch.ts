/** The switches for microphone and camera: one description for the lobby's and the call's buttons. */

import type { LucideProps } from '@lucide/svelte';
import Mic from '@lucide/svelte/icons/mic';
import MicOff from '@lucide/svelte/icons/mic-off';
import Video from '@lucide/svelte/icons/video';
import VideoOff from '@lucide/svelte/icons/video-off';
import type { Component } from 'svelte';
import type { Session } from '../state/session.svelte';

export type Switched = 'microphone' | 'camera';

export const SWITCHED: Switched[] = ['microphone', 'camera'];

export interface DeviceSwitch {
  on: boolean;
  icon: Component<LucideProps>;
  label: string;
  /** What a press does. */
  hint: string;
  /** The key that does the same. */
  shortcut: string;
  flip: () => void;
}

const ICONS: Record<Switched, [on: Component<LucideProps>, off: Component<LucideProps>]> = {
  microphone: [Mic, MicOff],
  camera: [Video, VideoOff],
};

export function deviceSwitch(session: Session, device: Switched): DeviceSwitch {
  const on = session.snapshot.local[`${device}_on`];
  return {
    on,
    icon: ICONS[device][on ? 0 : 1],
    label: device === 'microphone' ? 'Microphone' : 'Camera',
    hint: `Turn the ${device} ${on ? 'off' : 'on'}`,
    shortcut: device === 'microphone' ? 'M' : 'V',
    flip: () => void session.ask(`media_set_${device}`, { on: !on }),
  };
}
