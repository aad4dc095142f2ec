// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import App from './App.svelte';
import { TestPage } from './testing/page';

let page: TestPage;

beforeEach(() => {
  page = new TestPage();
});

afterEach(() => page.close());

describe('the app', () => {
  it('goes from home through the lobby into a call and back', async () => {
    await page.open(App, 'home');
    await page.click('start-call');
    expect(page.find('tile-self_view')).not.toBeNull();
    await page.click('lobby-go');
    await page.settle(800);
    expect(page.find('call-state')?.dataset['state']).toBe('waiting');
    expect(page.find('waiting-link')).not.toBeNull();
    await page.settle(6_000);
    expect(page.find('call-state')?.textContent?.trim()).toBe('Connected directly');
    expect(page.find('remote-name')?.textContent).toBe('Mira Okafor');
    await page.click('call-hang-up');
    expect(page.find('ended-reason')?.dataset['reason']).toBe('hung_up');
    await page.click('ended-home');
    expect(page.find('start-call')).not.toBeNull();
  });

  it('closes the devices when one leaves the lobby, not when one goes on', async () => {
    const session = await page.open(App, 'home');
    await page.click('start-call');
    expect(session.snapshot.local.preview).toBe(true);
    await page.click('lobby-back');
    expect(session.snapshot.local.preview).toBe(false);
    await page.click('start-call');
    await page.click('lobby-go');
    expect(session.snapshot.phase.kind).toBe('joining');
    expect(session.snapshot.local.preview).toBe(true);
  });

  it('shows the switches as the engine says', async () => {
    await page.open(App, 'call');
    expect(page.find('call-microphone')?.dataset['state']).toBe('on');
    await page.click('call-microphone');
    expect(page.find('call-microphone')?.dataset['state']).toBe('off');
    expect(page.find('call-microphone')?.getAttribute('aria-pressed')).toBe('false');
    expect(page.find('self-muted')).not.toBeNull();
    dispatchEvent(new KeyboardEvent('keydown', { key: 'm' }));
    await page.settle();
    expect(page.find('call-microphone')?.dataset['state']).toBe('on');
  });

  it('shows what the other side switched off', async () => {
    await page.open(App, 'call-muted');
    expect(page.find('remote-muted')).not.toBeNull();
    expect(page.find('remote-avatar')).toBeNull();
  });

  it('shows initials instead of a picture that is off', async () => {
    await page.open(App, 'call-camera-off');
    expect(page.find('remote-avatar')?.textContent).toContain('MO');
    expect(page.find('tile-remote')).toBeNull();
    expect(page.find('tile-self_view')).toBeNull();
  });

  it('says in words that a link is none', async () => {
    await page.open(App, 'home');
    await page.type('join-link', 'https://calls.example.org/hello');
    await page.click('join');
    expect(page.text('join-complaint')).toContain('not an Eyeline link');
    expect(page.find('join-link')?.getAttribute('aria-invalid')).toBe('true');
  });

  it('keeps the voice switches apart, however fast they are pressed', async () => {
    const session = await page.open(App, 'settings');
    expect(page.find('settings-noise-suppression')?.dataset['state']).toBe('on');
    page.find('settings-noise-suppression')?.click();
    page.find('settings-gain-control')?.click();
    await page.settle();
    expect(session.snapshot.local.voice).toEqual({
      echo_cancellation: true,
      noise_suppression: false,
      gain_control: false,
    });
    expect(page.find('settings-echo-cancellation')?.dataset['state']).toBe('on');
    expect(page.find('settings-noise-suppression')?.dataset['state']).toBe('off');
  });

  it('changes the theme', async () => {
    await page.open(App, 'settings');
    await page.click('settings-theme-dark');
    expect(document.documentElement.dataset['theme']).toBe('dark');
    await page.click('settings-close');
    expect(page.find('start-call')).not.toBeNull();
  });
});
