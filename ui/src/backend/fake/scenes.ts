/** What the fake backend starts with, scene by scene. */

import type { AppState } from '../generated/AppState';
import type { CallStats } from '../generated/CallStats';
import type { EndReason } from '../generated/EndReason';
import type { Local } from '../generated/Local';
import type { Phase } from '../generated/Phase';
import type { Snapshot } from '../generated/Snapshot';
import type { Theme } from '../generated/Theme';
import type { Backend } from '../types';

export const LINK = 'https://192.168.1.20:8443/j#1.q7Zp2mXv0RkT5sLwN8dYbA';

export type InCall = Extract<Phase, { kind: 'in_call' }>;

export interface Scene {
  snapshot: Snapshot;
  app: AppState;
  page: NonNullable<Backend['firstPage']>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const STATS: CallStats = {
  first_picture_ms: 412,
  latency_ms_p50: 38,
  latency_ms_p95: 61,
  latency_error_ms: 2,
  received_fps: 30,
  sent_fps: 30,
  received_width: 1280,
  received_height: 720,
  sent_width: 1280,
  sent_height: 720,
  encode_ms: 9.4,
  decode_ms: 2.6,
  codec: 'VP9',
  received_kbps: 2140,
  sent_kbps: 2210,
  estimate_kbps: 4800,
  sent_loss: 0,
  received_loss: 0.002,
  rtt_ms: 12,
  jitter_ms: 3,
  concealed: 0,
  freezes: 0,
  pictures_shown: 4210,
};

export function inCall(changes: Partial<InCall> = {}, sinceMs = Date.now()): InCall {
  return {
    kind: 'in_call',
    link: LINK,
    since_unix_ms: sinceMs,
    connection: 'connected',
    path: 'direct',
    signaling: true,
    remote: { name: 'Mira Okafor', microphone_on: true, camera_on: true, picture: true },
    stats: STATS,
    ...changes,
  };
}

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
  };
}

function app(name: string, theme: Theme, surface: AppState['surface'], now: number): AppState {
  return {
    settings: {
      name,
      server: '',
      camera: 'default',
      microphone: 'default',
      speaker: 'default',
      video_quality: 'standard',
      theme,
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

function endedPhase(reason: EndReason): Phase {
  const met = reason === 'hung_up' || reason === 'remote_hung_up' || reason === 'remote_vanished';
  return {
    kind: 'ended',
    reason,
    duration_ms: met ? 26 * MINUTE_MS + 8_000 : 0,
    remote_name: met ? 'Mira Okafor' : '',
    link: reason === 'bad_link' ? '' : LINK,
  };
}

/** Phase and changes of our own side for each named scene that is a call. */
function callScene(name: string, since: number): [Phase, Partial<Local>?] | undefined {
  const remote = inCall().remote;
  switch (name) {
    case 'joining':
    case 'waiting':
    case 'connecting':
      return [{ kind: name, link: LINK }];
    case 'call':
      return [inCall({}, since)];
    case 'call-relayed':
      return [inCall({ path: 'relayed' }, since)];
    case 'call-muted':
      return [inCall({ remote: { ...remote, microphone_on: false } }, since), { microphone_on: false }];
    case 'call-camera-off':
      return [
        inCall({ remote: { ...remote, camera_on: false } }, since),
        { camera_on: false, camera: { kind: 'off' } },
      ];
    case 'call-no-camera':
      return [inCall({}, since), { camera: { kind: 'failed', problem: 'not_found' } }];
    case 'call-no-server':
      return [inCall({ signaling: false }, since)];
    case 'reconnecting':
      return [inCall({ connection: 'reconnecting' }, since)];
    default:
      return name.startsWith('ended') ? [endedPhase((name.slice(6) || 'remote_hung_up') as EndReason)] : undefined;
  }
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
  if (scene === 'home-empty') state.recent = [];
  if (scene === 'lobby-join') state.launch.link = LINK;
  const page = scene.startsWith('lobby') ? 'lobby' : scene === 'settings' ? 'settings' : 'home';
  return { snapshot: snapshot(name, phase as Phase, changes), app: state, page };
}
