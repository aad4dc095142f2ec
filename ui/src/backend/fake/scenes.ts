/** What the fake backend starts with, scene by scene. */

import type { AppState } from '../generated/AppState';
import type { Local } from '../generated/Local';
import type { People } from '../generated/People';
import type { Phase } from '../generated/Phase';
import type { Snapshot } from '../generated/Snapshot';
import type { Theme } from '../generated/Theme';
import type { Page } from '../../state/navigation';
import { callScene, LINK } from './calls';
import { nobody, people, ringOf } from './people';

export { inCall, LINK, type InCall } from './calls';

export interface Scene {
  snapshot: Snapshot;
  app: AppState;
  page: Page;
  /** The quality of the call is open from the beginning. */
  showsQuality: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function local(name: string, inUse: boolean, changes: Partial<Local> = {}): Local {
  return {
    name,
    microphone_on: true,
    camera_on: true,
    camera: inUse ? { kind: 'running', label: 'Integrated Camera' } : { kind: 'off' },
    microphone: inUse ? { kind: 'running', label: 'Built-in Microphone' } : { kind: 'off' },
    speaker: inUse ? { kind: 'running', label: 'Built-in Speakers' } : { kind: 'off' },
    preview: false,
    video_quality: 'standard',
    voice: { echo_cancellation: true, noise_suppression: true, gain_control: true },
    ...changes,
  };
}

function snapshot(name: string, phase: Phase, changes: Partial<Local> = {}): Snapshot {
  return {
    phase,
    local: local(name, phase.kind !== 'idle' && phase.kind !== 'ended', changes),
    devices: {
      cameras: [
        { id: 'integrated', label: 'Integrated Camera' },
        { id: 'brio', label: 'Logitech BRIO' },
        { id: 'test-pattern', label: 'Test pattern' },
      ],
      microphones: [
        { id: 'built-in', label: 'Built-in Microphone' },
        { id: 'headset', label: 'Jabra Evolve2 65 (a long name, as they often are)' },
        { id: 'tone', label: 'Test tone' },
      ],
      speakers: [
        { id: 'built-in', label: 'Built-in Speakers' },
        { id: 'headset', label: 'Jabra Evolve2 65' },
      ],
      camera: 'default',
      microphone: 'default',
      speaker: 'default',
    },
    people: people(Date.now()),
  };
}

function app(name: string, theme: Theme, surface: AppState['surface'], now: number): AppState {
  return {
    settings: {
      name,
      server: 'https://calls.example.org',
      camera: 'default',
      microphone: 'default',
      speaker: 'default',
      video_quality: 'standard',
      voice: { echo_cancellation: true, noise_suppression: true, gain_control: true },
      theme,
      do_not_disturb: false,
      relay_only: false,
      keep_in_tray: false,
    },
    recent: [
      { link: `${LINK}1`, name: 'Mira Okafor', at_unix_ms: now - 3 * HOUR_MS, duration_ms: 26 * MINUTE_MS + 8_000 },
      { link: `${LINK}2`, name: 'Grandpa', at_unix_ms: now - 26 * HOUR_MS, duration_ms: HOUR_MS + 4 * MINUTE_MS },
      { link: `${LINK}3`, name: '', at_unix_ms: now - 5 * 24 * HOUR_MS, duration_ms: 0 },
    ],
    surface,
    launch: { in_call: false, link: '' },
    version: '0.1.0',
    platform: 'linux',
  };
}

function pageOf(scene: string): Page {
  switch (scene) {
    case 'settings':
      return { name: 'settings' };
    case 'contact':
      return { name: 'contact', id: 'mira' };
    case 'contact-unverified':
      return { name: 'contact', id: 'jonas' };
    case 'contact-blocked':
      return { name: 'contact', id: 'tom' };
    case 'lobby':
      return { name: 'lobby', wish: { kind: 'start', code: false } };
    case 'lobby-code':
      return { name: 'lobby', wish: { kind: 'start', code: true } };
    case 'lobby-join-code':
      return { name: 'lobby', wish: { kind: 'code', code: '7-amber-violin', server: null } };
    default:
      return { name: 'home' };
  }
}

/** What else a scene changes. */
function dress(scene: string, state: AppState, now: Snapshot): void {
  const mira = now.people.contacts.find((contact) => contact.id === 'mira');
  const priya = now.people.contacts.find((contact) => contact.id === 'priya');
  const changes: Record<string, () => void> = {
    'home-empty': () => {
      state.recent = [];
      state.settings.server = '';
      now.people = nobody();
    },
    'home-no-server': () => {
      state.settings.server = '';
      now.people.reachable = 'no_server';
    },
    'home-quiet': () => changePeople(now, { do_not_disturb: true }),
    'home-taken-over': () => changePeople(now, { reachable: 'taken_over' }),
    'lobby-join': () => (state.launch.link = LINK),
    incoming: () => mira && changePeople(now, { incoming: ringOf(mira) }),
    'incoming-unverified': () => priya && changePeople(now, { incoming: ringOf(priya) }),
  };
  changes[scene]?.();
}

function changePeople(now: Snapshot, changes: Partial<People>): void {
  Object.assign(now.people, changes);
}

/** The scene the page's address asks for: `?scene=`, `?theme=`, `?surface=`, `?name=`. */
export function sceneOf(params: URLSearchParams): Scene {
  const now = Date.now();
  const name = params.get('name') ?? 'Ada Lindqvist';
  const scene = params.get('scene') ?? 'home';
  const theme = (params.get('theme') ?? 'system') as Theme;
  const surface: AppState['surface'] =
    params.get('surface') === 'native' ? { kind: 'native' } : { kind: 'canvas', url: 'fake:' };
  const [phase, changes] = callScene(scene, now - 12 * MINUTE_MS - 34_000) ?? [{ kind: 'idle' }];
  const state = app(name, theme, surface, now);
  const first = snapshot(name, phase as Phase, changes);
  dress(scene, state, first);
  return { snapshot: first, app: state, page: pageOf(scene), showsQuality: scene.startsWith('quality') };
}
