/** A backend without an app behind it: the page runs in a plain browser, with working buttons. For design and for tests. */

import type { Phase } from '../generated/Phase';
import type { Snapshot } from '../generated/Snapshot';
import type { Backend, CommandName, Commands, Listener } from '../types';
import { inCall, LINK, sceneOf, type Scene } from './scenes';
import { streamPictures, underPage, type Showing } from './shell';

const STEP_MS = 700;
const GUEST_COMES_MS = 4_000;
const LEVELS_MS = 100;

type Handlers = {
  [Name in CommandName]: (args: Commands[Name]['args']) => Commands[Name]['answer'] | Promise<Commands[Name]['answer']>;
};

class FakeApp {
  #scene: Scene;
  #listeners = new Set<Listener>();
  #timers: ReturnType<typeof setTimeout>[] = [];
  #layout: ReturnType<typeof underPage> | undefined;

  constructor(scene: Scene) {
    this.#scene = scene;
    if (scene.app.surface.kind === 'native') this.#layout = underPage(this.showing);
    setInterval(() => this.#levels(), LEVELS_MS);
  }

  readonly showing: Showing = () => {
    const { phase, local } = this.#scene.snapshot;
    const busy = phase.kind !== 'idle' && phase.kind !== 'ended';
    return {
      remote: phase.kind === 'in_call' && phase.remote.camera_on,
      self_view: (busy || local.preview) && local.camera.kind === 'running',
    };
  };

  add(listener: Listener): () => void {
    this.#listeners.add(listener);
    listener.snapshot(this.#scene.snapshot);
    return () => this.#listeners.delete(listener);
  }

  readonly handlers: Handlers = {
    app_state: () => this.#scene.app,
    settings_save: ({ settings }) => {
      if (settings.server !== '' && !/^(https?:\/\/)?[\w.-]+(:\d+)?\/?$/.test(settings.server)) {
        throw { code: 'bad_server', detail: settings.server };
      }
      this.#saveApp({ settings });
      return this.#change((now) => {
        now.local.name = settings.name;
        now.local.video_quality = settings.video_quality;
      });
    },
    recent_forget: ({ link }) => this.#saveApp({ recent: this.#scene.app.recent.filter((call) => call.link !== link) }),
    call_start: () => {
      this.#phase({ kind: 'joining', link: LINK });
      this.#later(STEP_MS, () => this.#phase({ kind: 'waiting', link: LINK }));
      return this.#later(GUEST_COMES_MS, () => this.#connect());
    },
    call_join: ({ link }) => {
      if (!isLink(link)) throw { code: 'bad_link', detail: '' };
      this.#phase({ kind: 'joining', link });
      return this.#later(STEP_MS, () => this.#connect());
    },
    call_hang_up: () => {
      this.#timers.splice(0).forEach(clearTimeout);
      const { phase } = this.#scene.snapshot;
      const talked = phase.kind === 'in_call';
      return this.#phase({
        kind: 'ended',
        reason: 'hung_up',
        duration_ms: talked ? Date.now() - phase.since_unix_ms : 0,
        remote_name: talked ? phase.remote.name : '',
        link: LINK,
      });
    },
    call_dismiss: () => this.#phase({ kind: 'idle' }),
    lobby_preview: ({ on }) =>
      this.#change((now) => {
        now.local.preview = on;
      }),
    media_set_microphone: ({ on }) =>
      this.#change((now) => {
        now.local.microphone_on = on;
      }),
    media_set_camera: ({ on }) =>
      this.#change((now) => {
        now.local.camera_on = on;
      }),
    media_select_camera: ({ id }) => this.#choose('camera', id),
    media_select_microphone: ({ id }) => this.#choose('microphone', id),
    media_select_speaker: ({ id }) => this.#choose('speaker', id),
    devices_refresh: () => null,
    link_check: ({ link }) => ({ valid: isLink(link), host: isLink(link) ? new URL(link).host : '' }),
    link_copy: async ({ link }) => {
      await navigator.clipboard?.writeText(link).catch(() => undefined);
      return null;
    },
    video_layout: ({ tiles }) => {
      this.#layout?.(tiles);
      return null;
    },
    window_set_full_screen: async ({ on }) => {
      await (on ? document.documentElement.requestFullscreen() : document.exitFullscreen()).catch(() => undefined);
      return null;
    },
  };

  #connect(): void {
    this.#phase({ kind: 'connecting', link: LINK });
    this.#later(STEP_MS, () =>
      this.#phase(inCall({ path: 'unknown', remote: { ...inCall().remote, picture: false } })),
    );
    this.#later(STEP_MS * 2, () => this.#phase(inCall()));
  }

  #later(ms: number, then: () => void): null {
    this.#timers.push(setTimeout(then, ms));
    return null;
  }

  #phase(phase: Phase): null {
    return this.#change((now) => {
      now.phase = phase;
    });
  }

  #change(edit: (snapshot: Snapshot) => void): null {
    const next = structuredClone(this.#scene.snapshot);
    edit(next);
    const { local, phase } = next;
    const inUse = local.preview || (phase.kind !== 'idle' && phase.kind !== 'ended');
    if (local.camera.kind !== 'failed') {
      local.camera = inUse && local.camera_on ? { kind: 'running', label: 'Integrated Camera' } : { kind: 'off' };
    }
    local.microphone = inUse ? { kind: 'running', label: 'Built-in Microphone' } : { kind: 'off' };
    this.#scene.snapshot = next;
    this.#listeners.forEach((listener) => listener.snapshot(next));
    return null;
  }

  #saveApp(changes: Partial<Scene['app']>): null {
    this.#scene.app = { ...this.#scene.app, ...changes };
    this.#listeners.forEach((listener) => listener.appState(this.#scene.app));
    return null;
  }

  #choose(device: 'camera' | 'microphone' | 'speaker', id: string): null {
    this.#saveApp({ settings: { ...this.#scene.app.settings, [device]: id } });
    return this.#change((now) => {
      now.devices[device] = id;
    });
  }

  #levels(): void {
    const { local, phase } = this.#scene.snapshot;
    const voice = (period: number) => 0.35 + 0.35 * Math.abs(Math.sin(performance.now() / period));
    const levels = {
      microphone: local.microphone.kind === 'running' && local.microphone_on ? voice(310) : 0,
      remote: phase.kind === 'in_call' && phase.remote.microphone_on ? voice(270) : 0,
    };
    this.#listeners.forEach((listener) => listener.levels(levels));
  }
}

function isLink(text: string): boolean {
  return /^(https?|eyeline):\/\/[^/\s]+\/j#1\.[\w-]{22}\d?$/.test(text.trim());
}

export function fakeBackend(params: URLSearchParams): Backend {
  const scene = sceneOf(params);
  const app = new FakeApp(scene);
  return {
    invoke: async (name, args) => (app.handlers[name] as (args: unknown) => never)(args),
    listen: async (listener) => app.add(listener),
    pictures: (_url, onMessage) => streamPictures(app.showing, onMessage),
    firstPage: scene.page,
  };
}
