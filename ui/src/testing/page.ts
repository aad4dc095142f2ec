/** The whole page on the fake backend, for tests in jsdom with fake timers. */

import { mount, tick, unmount, type Component } from 'svelte';
import { vi } from 'vitest';
import { fakeBackend } from '../backend/fake';
import { Session } from '../state/session.svelte';
import { stubResizeObserver } from './resize_observer';

/** What the page is mounted as: the app, or another window of it. */
type Page = Component<{ session: Session }>;

export class TestPage {
  #mounted: Record<string, unknown> | undefined;

  constructor() {
    vi.useFakeTimers();
    stubResizeObserver();
    vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null);
  }

  async open(page: Page, scene: string): Promise<Session> {
    const session = new Session(fakeBackend(new URLSearchParams({ scene })));
    await session.open();
    this.#mounted = mount(page, { target: document.body, props: { session } });
    await this.settle();
    return session;
  }

  async settle(ms = 0): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
    await tick();
  }

  find(testid: string): HTMLElement | null {
    return document.querySelector(`[data-testid="${testid}"]`);
  }

  all(testid: string): HTMLElement[] {
    return [...document.querySelectorAll<HTMLElement>(`[data-testid="${testid}"]`)];
  }

  /** Text of what is there, its blanks put in order; `undefined` when it is not there. */
  text(testid: string): string | undefined {
    return this.find(testid)?.textContent?.replaceAll(/\s+/g, ' ').trim();
  }

  async click(testid: string): Promise<void> {
    const found = this.find(testid);
    if (found === null) throw new Error(`nothing is called ${testid}`);
    found.click();
    await this.settle();
  }

  async type(testid: string, text: string): Promise<void> {
    const field = this.find(testid) as HTMLInputElement;
    field.focus();
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    await this.settle();
  }

  async press(key: string, on: EventTarget | null = document.activeElement): Promise<void> {
    on?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    await this.settle();
  }

  async close(): Promise<void> {
    if (this.#mounted !== undefined) await unmount(this.#mounted);
    vi.useRealTimers();
    vi.unstubAllGlobals();
  }
}
