// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import App from './App.svelte';
import { TestPage } from './testing/page';

let page: TestPage;

beforeEach(() => {
  page = new TestPage();
});

afterEach(() => page.close());

function words(): (string | null)[] {
  return page.all('join-word').map((option) => option.textContent?.trim() ?? null);
}

function field(): HTMLInputElement {
  return page.find('join-link') as HTMLInputElement;
}

describe('typing a code', () => {
  beforeEach(async () => void (await page.open(App, 'home')));

  it('offers words, and takes the one the arrows chose', async () => {
    await page.type('join-link', '7 AM');
    expect(words()).toEqual(['amber', 'amount']);
    expect(field().getAttribute('aria-expanded')).toBe('true');
    expect(field().getAttribute('aria-activedescendant')).toBeNull();
    await page.press('ArrowDown');
    await page.press('ArrowDown');
    const chosen = page.all('join-word')[1];
    expect(chosen?.getAttribute('aria-selected')).toBe('true');
    expect(field().getAttribute('aria-activedescendant')).toBe(chosen?.id);
    await page.press('Enter');
    expect(field().value).toBe('7-amount-');
    expect(words()).toEqual([]);
  });

  it('chooses the only word left by itself, and says no more when it is whole', async () => {
    await page.type('join-link', '7-amber-vio');
    expect(page.all('join-word')[0]?.getAttribute('aria-selected')).toBe('true');
    await page.press('Tab');
    expect(field().value).toBe('7-amber-violin');
    await page.type('join-link', '7-amber-violin');
    expect(words()).toEqual([]);
  });

  it('closes the list on Escape and keeps what was typed', async () => {
    await page.type('join-link', '7 am');
    await page.press('Escape');
    expect(words()).toEqual([]);
    expect(field().value).toBe('7 am');
  });

  it('is forgiving, and goes into the call', async () => {
    await page.type('join-link', ' 7 Amber  VIOLIN ');
    await page.click('join');
    expect(page.find('lobby-go')).not.toBeNull();
    await page.click('lobby-go');
    expect(page.find('call-state')?.dataset['state']).toBe('claiming');
    expect(page.find('call-link')).toBeNull();
    await page.settle(3_000);
    expect(page.text('remote-name')).toBe('Mira Okafor');
  });

  it('names the word that is none', async () => {
    await page.type('join-link', '7 ambre violin');
    await page.click('join');
    expect(page.text('join-complaint')).toContain('“ambre”');
  });

  it('says what a code is to who types something else', async () => {
    await page.type('join-link', 'hello');
    await page.click('join');
    expect(page.text('join-complaint')).toContain('7-amber-violin');
  });

  it('comes back to the field after wrong words', async () => {
    await page.type('join-link', '7-amber-amber');
    await page.click('join');
    await page.click('lobby-go');
    await page.settle(1_000);
    expect(page.find('ended-reason')?.dataset['reason']).toBe('wrong_code');
    await page.click('ended-code');
    expect(document.activeElement).toBe(field());
  });
});

describe('a code without a server of our own', () => {
  it('asks for the server, and only then', async () => {
    const session = await page.open(App, 'home-no-server');
    await page.type('join-link', 'https://calls.example.org/j#1.x');
    expect(page.find('join-server')).toBeNull();
    await page.type('join-link', '7-amber-violin');
    await page.click('join');
    expect(page.text('join-complaint')).toContain('A code needs a server');
    await page.type('join-server', 'https://calls.example.org');
    await page.click('join');
    expect(session.page).toMatchObject({ wish: { kind: 'code', server: 'https://calls.example.org' } });
  });
});

describe('saying a code', () => {
  it('shows it until it is taken', async () => {
    await page.open(App, 'home');
    await page.click('start-code');
    await page.click('lobby-go');
    await page.settle(800);
    expect(page.find('code-card')?.dataset['state']).toBe('asking');
    await page.settle(1_000);
    expect(page.find('waiting-code')?.getAttribute('aria-label')).toBe('7 amber violin');
    await page.settle(1_600);
    expect(page.find('code-card')?.dataset['state']).toBe('taken');
    await page.settle(3_000);
    expect(page.find('call-state')?.dataset['state']).toBe('connected');
  });

  it('says that somebody guessed, and gives a new one on request', async () => {
    await page.open(App, 'waiting-code-tried');
    expect(page.text('code-tried')).toContain('Somebody tried a wrong code');
    await page.close();
    page = new TestPage();
    await page.open(App, 'waiting-code-burned');
    expect(page.find('waiting-code')).toBeNull();
    await page.click('code-new');
    await page.settle(800);
    expect(page.find('waiting-code')?.dataset['code']).toBe('12-velvet-lantern');
  });

  it('withdraws it and leaves the link', async () => {
    await page.open(App, 'waiting-code');
    await page.click('code-withdraw');
    expect(page.find('waiting-code')).toBeNull();
    expect(page.find('waiting-link')).not.toBeNull();
  });
});
