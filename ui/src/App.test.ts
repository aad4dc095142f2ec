// @vitest-environment jsdom
import { mount, tick, unmount } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import App from './App.svelte';
import { fakeBackend } from './backend/fake';
import { Session } from './state/session.svelte';

let app: Record<string, unknown>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe = () => undefined;
      unobserve = () => undefined;
      disconnect = () => undefined;
    },
  );
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null);
});

afterEach(async () => {
  await unmount(app);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function open(scene: string): Promise<Session> {
  const session = new Session(fakeBackend(new URLSearchParams({ scene })));
  await session.open();
  app = mount(App, { target: document.body, props: { session } });
  await settle();
  return session;
}

async function settle(ms = 0) {
  await vi.advanceTimersByTimeAsync(ms);
  await tick();
}

function find(testid: string): HTMLElement | null {
  return document.querySelector(`[data-testid="${testid}"]`);
}

async function click(testid: string) {
  find(testid)?.click();
  await settle();
}

describe('the app', () => {
  it('goes from home through the lobby into a call and back', async () => {
    await open('home');
    await click('start-call');
    expect(find('tile-self_view')).not.toBeNull();
    await click('lobby-go');
    await settle(800);
    expect(find('call-state')?.dataset['state']).toBe('waiting');
    expect(find('waiting-link')).not.toBeNull();
    await settle(6_000);
    expect(find('call-state')?.textContent?.trim()).toBe('Connected directly');
    expect(find('remote-name')?.textContent).toBe('Mira Okafor');
    await click('call-hang-up');
    expect(find('ended-reason')?.dataset['reason']).toBe('hung_up');
    await click('ended-home');
    expect(find('start-call')).not.toBeNull();
  });

  it('closes the devices when one leaves the lobby, not when one goes on', async () => {
    const session = await open('home');
    await click('start-call');
    expect(session.snapshot.local.preview).toBe(true);
    await click('lobby-back');
    expect(session.snapshot.local.preview).toBe(false);
    await click('start-call');
    await click('lobby-go');
    expect(session.snapshot.phase.kind).toBe('joining');
    expect(session.snapshot.local.preview).toBe(true);
  });

  it('shows the switches as the engine says', async () => {
    await open('call');
    expect(find('call-microphone')?.dataset['state']).toBe('on');
    await click('call-microphone');
    expect(find('call-microphone')?.dataset['state']).toBe('off');
    expect(find('call-microphone')?.getAttribute('aria-pressed')).toBe('false');
    expect(find('self-muted')).not.toBeNull();
    dispatchEvent(new KeyboardEvent('keydown', { key: 'm' }));
    await settle();
    expect(find('call-microphone')?.dataset['state']).toBe('on');
  });

  it('shows what the other side switched off', async () => {
    await open('call-muted');
    expect(find('remote-muted')).not.toBeNull();
    expect(find('remote-avatar')).toBeNull();
  });

  it('shows initials instead of a picture that is off', async () => {
    await open('call-camera-off');
    expect(find('remote-avatar')?.textContent).toContain('MO');
    expect(find('tile-remote')).toBeNull();
    expect(find('tile-self_view')).toBeNull();
  });

  it('says in words that a link is none', async () => {
    await open('home');
    const field = find('join-link') as HTMLInputElement;
    field.value = 'hello';
    field.dispatchEvent(new Event('input', { bubbles: true }));
    await click('join');
    expect(find('join-complaint')?.textContent).toContain('not an Eyeline link');
    expect(field.getAttribute('aria-invalid')).toBe('true');
  });

  it('changes the theme', async () => {
    await open('settings');
    await click('settings-theme-dark');
    expect(document.documentElement.dataset['theme']).toBe('dark');
    await click('settings-close');
    expect(find('start-call')).not.toBeNull();
  });
});
