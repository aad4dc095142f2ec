// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import App from '../App.svelte';
import { TestPage } from '../testing/page';

let page: TestPage;
let writeText: ReturnType<typeof vi.fn>;

beforeEach(() => {
  page = new TestPage();
  writeText = vi.fn().mockResolvedValue(undefined);
  // jsdom has no clipboard.
  Object.defineProperty(navigator, 'clipboard', { configurable: true, value: { writeText } });
});

afterEach(() => page.close());

describe('the quality sheet', () => {
  it('opens by button and key, and closes by both', async () => {
    await page.open(App, 'call');
    expect(page.find('quality-sheet')).toBeNull();
    await page.click('call-quality');
    expect(page.find('call-quality')?.dataset['state']).toBe('on');
    expect(page.text('quality-verdict')).toBe('All is well.');
    expect(page.find('quality-plot-latency')).not.toBeNull();
    await page.press('q', document.body);
    expect(page.find('quality-sheet')).toBeNull();
    await page.press('q', document.body);
    await page.click('quality-close');
    expect(page.find('quality-sheet')).toBeNull();
    expect(document.activeElement).toBe(page.find('call-quality'));
  });

  it('closes by Escape from within, and then only', async () => {
    await page.open(App, 'quality');
    await page.press('Escape', document.body);
    expect(page.find('quality-sheet')).not.toBeNull();
    await page.press('Escape', page.find('quality-plot-latency'));
    expect(page.find('quality-sheet')).toBeNull();
  });

  it('follows the call second by second', async () => {
    const session = await page.open(App, 'quality-lost');
    const before = page.text('quality-verdict');
    expect(before).toContain('looking for a new way for 12 s');
    await page.settle(2_000);
    expect(page.text('quality-verdict')).toContain('for 14 s');
    expect(session.failure).toBeUndefined();
  });

  it('stays open from call to call', async () => {
    await page.open(App, 'quality');
    await page.click('call-hang-up');
    expect(page.find('quality-sheet')).toBeNull();
    await page.click('ended-again');
    expect(page.find('quality-sheet')).toBeNull();
    await page.settle(6_000);
    expect(page.find('quality-sheet')).not.toBeNull();
  });

  it('copies what it shows', async () => {
    await page.open(App, 'quality-thin');
    await page.click('quality-copy');
    expect(page.find('quality-copy')?.dataset['state']).toBe('on');
    expect(writeText).toHaveBeenCalledOnce();
    expect(writeText.mock.calls[0]?.[0]).toContain(
      'The network carries 1.2 Mbit/s: the picture you send is 540 lines.',
    );
  });

  it('has the last call after it ended, if there was one', async () => {
    await page.open(App, 'ended');
    await page.click('ended-quality');
    expect(page.find('quality-verdict')).toBeNull();
    expect(page.text('quality-picture')).toContain('1280×720');
    await page.click('quality-copy');
    expect(writeText.mock.calls[0]?.[0]).toContain('at the end of a call of 26 min');
    await page.click('quality-close');
    expect(document.activeElement).toBe(page.find('ended-quality'));
  });

  it('is not offered for a call that never was', async () => {
    await page.open(App, 'ended-declined');
    expect(page.find('ended-quality')).toBeNull();
  });
});
