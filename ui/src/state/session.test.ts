// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AppState } from '../backend/generated/AppState';
import type { Settings } from '../backend/generated/Settings';
import { inCall, sceneOf } from '../backend/fake/scenes';
import type { Backend, Listener } from '../backend/types';
import { Session } from './session.svelte';

/** A backend that records what it is asked and says what the test wants. */
class Recorder implements Backend {
  asked: [string, unknown][] = [];
  refuse: string | undefined;
  heard: Listener | undefined;
  scene = sceneOf(new URLSearchParams());

  invoke = (async (name: string, args: unknown) => {
    this.asked.push([name, args]);
    if (this.refuse === name) throw { code: 'cannot_host', detail: 'no port' };
    return name === 'app_state' ? this.scene.app : null;
  }) as Backend['invoke'];

  listen = async (listener: Listener) => {
    this.asked.push(['listen', null]);
    this.heard = listener;
    return () => undefined;
  };

  pictures = () => ({ acknowledge: () => undefined, close: () => undefined });

  names(): string[] {
    return this.asked.map(([name]) => name);
  }
}

let backend: Recorder;
let session: Session;

beforeEach(async () => {
  backend = new Recorder();
  session = new Session(backend);
});

afterEach(() => vi.useRealTimers());

describe('session', () => {
  it('listens before it asks, so that nothing is missed', async () => {
    await session.open();
    expect(backend.names()).toEqual(['listen', 'app_state']);
    expect(session.surface?.kind).toBe('canvas');
  });

  it('draws what the engine says and keeps no state of a call', async () => {
    await session.open();
    const snapshot = { ...backend.scene.snapshot, phase: inCall() };
    await session.ask('media_set_microphone', { on: false });
    expect(session.snapshot.local.microphone_on).toBe(true);
    backend.heard?.snapshot(snapshot);
    expect(session.snapshot).toBe(snapshot);
  });

  it('comes back to home after a call that began in the lobby', async () => {
    await session.open();
    session.go({ name: 'lobby', wish: { kind: 'start', code: false } });
    backend.heard?.snapshot({ ...backend.scene.snapshot, phase: inCall() });
    expect(session.page).toEqual({ name: 'home' });
  });

  it('opens the lobby with the link it was started with', async () => {
    backend.scene.app.launch.link = 'eyeline://example/j#1.abc';
    await session.open();
    expect(session.page).toEqual({ name: 'lobby', wish: { kind: 'link', link: 'eyeline://example/j#1.abc' } });
  });

  it('waits for the call it was started into, but not for ever', async () => {
    vi.useFakeTimers();
    backend.scene.app.launch.in_call = true;
    await session.open();
    expect(session.launching).toBe(true);
    vi.advanceTimersByTime(8_000);
    expect(session.launching).toBe(false);
  });

  it('keeps why a command failed until one works', async () => {
    await session.open();
    backend.refuse = 'call_start';
    expect(await session.call({ kind: 'start', code: false })).toBe(false);
    expect(session.failure?.code).toBe('cannot_host');
    backend.refuse = undefined;
    expect(await session.call({ kind: 'start', code: false })).toBe(true);
    expect(session.failure).toBeUndefined();
  });

  it('saves one change on top of another, and before a call', async () => {
    await session.open();
    void session.save({ name: 'Ada' });
    void session.save({ theme: 'dark' });
    await session.call({ kind: 'start', code: false });
    const saved = backend.asked.filter(([name]) => name === 'settings_save').map(([, args]) => args);
    expect(saved.at(-1)).toMatchObject({ settings: { name: 'Ada', theme: 'dark' } satisfies Partial<Settings> });
    expect(backend.names().slice(-3)).toEqual(['settings_save', 'settings_save', 'call_start']);
  });

  it('saves on top of what the app last said', async () => {
    await session.open();
    await session.save({ name: 'Ada' });
    const app: AppState = { ...backend.scene.app, settings: { ...backend.scene.app.settings, camera: 'brio' } };
    backend.heard?.appState(app);
    await session.save({ theme: 'light' });
    expect(backend.asked.at(-1)?.[1]).toMatchObject({ settings: { camera: 'brio', theme: 'light' } });
  });
});
