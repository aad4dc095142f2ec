/** What the page draws from: the last snapshot, the last levels, the app's state, and which page is open. */

import { getContext, setContext } from 'svelte';
import type { AppState } from '../backend/generated/AppState';
import type { CommandError } from '../backend/generated/CommandError';
import type { Levels } from '../backend/generated/Levels';
import type { Settings } from '../backend/generated/Settings';
import type { Snapshot } from '../backend/generated/Snapshot';
import { asCommandError, type Backend, type CommandName, type Commands } from '../backend/types';
import { openSurface, type Surface } from '../video/surface';
import { HOME, type Page, type Wish } from './navigation';

const KEY = Symbol('session');
const LAUNCH_MAX_MS = 8_000;

const IDLE: Snapshot = {
  phase: { kind: 'idle' },
  local: {
    name: '',
    microphone_on: true,
    camera_on: true,
    camera: { kind: 'off' },
    microphone: { kind: 'off' },
    speaker: { kind: 'off' },
    preview: false,
    video_quality: 'standard',
    voice: { echo_cancellation: true, noise_suppression: true, gain_control: true },
  },
  devices: { cameras: [], microphones: [], speakers: [], camera: 'default', microphone: 'default', speaker: 'default' },
  people: {
    contacts: [],
    history: [],
    unseen_missed: 0,
    incoming: null,
    reachable: 'no_server',
    do_not_disturb: false,
    relay_only: false,
  },
};

export class Session {
  /** The engine's last word. Replaced whole, never edited. */
  snapshot: Snapshot = $state.raw(IDLE);
  levels: Levels = $state.raw({ microphone: 0, remote: 0 });
  app: AppState | undefined = $state.raw();
  page: Page = $state.raw(HOME);
  /** Why the last command failed, until dismissed or overtaken by one that worked. */
  failure: CommandError | undefined = $state.raw();
  /** The contact rung last, to be rung again. */
  rung: string | undefined = $state();
  surface: Surface | undefined;
  /** The quality of calls is looked at: stays as it is from call to call until the app is closed. */
  qualityOpen = $state(false);

  /** The app was started into a call that has not shown up yet. */
  launching = $state(false);

  #backend: Backend;
  #saving: Promise<unknown> = Promise.resolve();
  /** Saved, but not yet heard back as the app's state. */
  #saved: Settings | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Listens, asks for the app's state, and opens the way pictures come: one window of the app may show them. */
  async open({ pictures = true } = {}): Promise<void> {
    await this.#backend.listen({
      snapshot: (snapshot) => this.#take(snapshot),
      levels: (levels) => (this.levels = levels),
      appState: (state) => this.#takeApp(state),
    });
    const app = await this.#backend.invoke('app_state', {});
    if (pictures) this.surface = openSurface(app.surface, this.#backend);
    if (app.launch.in_call && this.snapshot.phase.kind === 'idle') this.#awaitLaunch();
    if (app.launch.link !== '') this.page = { name: 'lobby', wish: { kind: 'link', link: app.launch.link } };
    else this.page = this.#backend.firstPage ?? HOME;
    this.qualityOpen = this.#backend.showsQuality ?? false;
    this.app = app;
  }

  /** Sends a command a button stands for; a failure is shown, and answered with `false`. */
  async ask<Name extends CommandName>(name: Name, args: Commands[Name]['args']): Promise<boolean> {
    try {
      await this.#backend.invoke(name, args);
      this.failure = undefined;
      return true;
    } catch (thrown) {
      this.failure = asCommandError(thrown);
      return false;
    }
  }

  /** Sends a command whose answer or failure the caller shows itself. */
  invoke: Backend['invoke'] = (name, args) => this.#backend.invoke(name, args);

  /** Saves changed settings: one save after the other, each on top of what the one before left. */
  async save(changes: Partial<Settings> | ((left: Settings) => Partial<Settings>)): Promise<void> {
    const saving = this.#saving.then(async () => {
      const known = this.#saved ?? this.app?.settings;
      if (known === undefined) return;
      const settings = { ...known, ...(typeof changes === 'function' ? changes(known) : changes) };
      await this.#backend.invoke('settings_save', { settings });
      this.#saved = settings;
    });
    this.#saving = saving.catch(() => undefined);
    await saving;
  }

  /** Starts or joins a call, once settings being saved are saved. */
  async call(wish: Wish, relayOnly = false): Promise<boolean> {
    await this.#saving;
    this.rung = undefined;
    switch (wish.kind) {
      case 'start':
        return this.ask('call_start', { code: wish.code, relay_only: relayOnly });
      case 'link':
        return this.ask('call_join', { link: wish.link, relay_only: relayOnly });
      case 'code':
        return this.ask('call_join_code', { server: wish.server, code: wish.code, relay_only: relayOnly });
    }
  }

  /** Rings a contact. */
  async ring(contact: string): Promise<boolean> {
    await this.#saving;
    this.rung = contact;
    return this.ask('contact_ring', { contact });
  }

  /** Leaves what is left of a call for a page. */
  async leaveFor(page: Page): Promise<void> {
    if (await this.ask('call_dismiss', {})) this.go(page);
  }

  go(page: Page): void {
    this.failure = undefined;
    this.page = page;
  }

  /** Until the call shows up, or does not: then home is better than waiting for ever. */
  #awaitLaunch(): void {
    this.launching = true;
    setTimeout(() => (this.launching = false), LAUNCH_MAX_MS);
  }

  #takeApp(state: AppState): void {
    this.#saved = undefined;
    this.app = state;
  }

  #take(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    if (snapshot.phase.kind !== 'idle') {
      this.launching = false;
      this.page = HOME;
    }
    if (snapshot.phase.kind === 'waiting' && snapshot.phase.ringing !== null)
      this.rung = snapshot.phase.ringing.contact;
    this.surface?.nudge();
  }
}

export function provideSession(session: Session): void {
  setContext(KEY, session);
}

export function useSession(): Session {
  return getContext<Session>(KEY);
}
