// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import App from './App.svelte';
import RingWindow from './RingWindow.svelte';
import { TestPage } from './testing/page';

let page: TestPage;

beforeEach(() => {
  page = new TestPage();
});

afterEach(() => page.close());

describe('contacts', () => {
  it('are listed, and rung where they can be', async () => {
    await page.open(App, 'home');
    expect(page.find('contact-mira')?.dataset['online']).toBe('yes');
    expect(page.find('contact-ring-jonas')).toBeNull();
    expect(page.find('contact-ring-tom')).toBeNull();
    await page.click('contact-ring-mira');
    expect(page.find('ringing')?.dataset['state']).toBe('calling');
    await page.settle(800);
    expect(page.text('ringing')).toContain('Ringing Mira Okafor');
    await page.settle(5_000);
    expect(page.find('call-identity')?.dataset['trust']).toBe('verified');
  });

  it('can be rung again when they did not answer', async () => {
    await page.open(App, 'home');
    await page.click('contact-ring-grandpa');
    await page.settle(4_100);
    expect(page.text('ended-reason')).toBe('Grandpa did not answer');
    await page.click('ended-ring');
    expect(page.find('ringing')).not.toBeNull();
  });

  it('are renamed, blocked and, at the second press, removed', async () => {
    const session = await page.open(App, 'contact');
    const field = page.find('contact-rename') as HTMLInputElement;
    field.value = 'Mira from work';
    field.dispatchEvent(new Event('change', { bubbles: true }));
    await page.settle();
    expect(page.text('contact-name')).toContain('Mira from work');
    await page.click('contact-block');
    expect(page.find('contact-block')?.dataset['state']).toBe('on');
    expect(page.find('contact-ring')).toBeNull();
    await page.click('contact-remove');
    expect(document.activeElement).toBe(page.find('contact-remove-keep'));
    expect(session.snapshot.people.contacts).toHaveLength(5);
    await page.click('contact-remove-sure');
    expect(session.snapshot.people.contacts).toHaveLength(4);
    expect(page.find('start-call')).not.toBeNull();
  });

  it('keep the missed ones in sight until they are looked at', async () => {
    const session = await page.open(App, 'home');
    expect(page.text('missed-badge')).toBe('2 missed');
    await page.click('tab-recent');
    expect(page.find('missed-badge')).toBeNull();
    expect(session.snapshot.people.unseen_missed).toBe(0);
    const before = page.all('recent-call').length;
    await page.click('recent-forget');
    expect(page.all('recent-call')).toHaveLength(before - 1);
  });
});

describe('somebody who rings', () => {
  it('is answered without a picture of us', async () => {
    const session = await page.open(App, 'incoming');
    expect(document.activeElement).toBe(page.find('ring-accept-camera'));
    await page.settle(700);
    await page.click('ring-accept');
    expect(session.snapshot.local.camera_on).toBe(false);
    expect(page.find('incoming')).toBeNull();
    await page.settle(3_000);
    expect(page.text('remote-name')).toBe('Mira Okafor');
  });

  it('is not answered by a key that was pressed for something else', async () => {
    const session = await page.open(App, 'incoming');
    await page.press('Escape');
    await page.click('ring-decline');
    expect(session.snapshot.people.incoming).not.toBeNull();
    await page.settle(700);
    await page.press('Escape');
    expect(session.snapshot.people.incoming).not.toBeNull();
    await page.click('ring-decline');
    expect(session.snapshot.people.incoming).toBeNull();
  });

  it('does not take the keyboard from who is typing', async () => {
    const session = await page.open(App, 'home');
    page.find('home-name')?.focus();
    const ring = { contact: 'mira', name: 'Mira Okafor', verified: true, since_unix_ms: 1 };
    session.snapshot = { ...session.snapshot, people: { ...session.snapshot.people, incoming: ring } };
    await page.settle();
    expect(page.find('incoming')).not.toBeNull();
    expect(document.activeElement).toBe(page.find('home-name'));
  });

  it('has a window that says when it is over', async () => {
    await page.open(RingWindow, 'incoming');
    expect(page.find('start-call')).toBeNull();
    expect(page.find('verified')).not.toBeNull();
    await page.settle(700);
    await page.click('ring-decline');
    expect(page.find('ring-over')).not.toBeNull();
  });
});

describe('the other side of a call', () => {
  it('is verified by the emoji', async () => {
    await page.open(App, 'call');
    expect(page.find('call-identity')?.dataset['trust']).toBe('invited');
    await page.click('call-identity');
    // Nothing that settles anything has the keyboard by itself.
    expect(document.activeElement).toBe(page.find('identity-popover'));
    expect(page.text('sas')).toContain('Octopus');
    await page.click('sas-match');
    expect(page.find('call-identity')?.dataset['trust']).toBe('verified');
    expect(page.find('sas-match')).toBeNull();
  });

  it('is warned of when the emoji differ', async () => {
    await page.open(App, 'call');
    await page.click('call-identity');
    await page.click('sas-differ');
    await page.press('Escape', page.find('identity-popover'));
    expect(page.text('trust-mismatch')).toContain('The emoji differ');
    await page.click('trust-hang-up');
    expect(page.find('ended-reason')?.dataset['reason']).toBe('hung_up');
  });

  it('is warned of when its key changed, until that is put away', async () => {
    await page.open(App, 'call-changed');
    await page.settle(60_000);
    expect(page.text('trust-changed')).toContain('This may not be Mira Okafor');
    await page.click('trust-changed-dismiss');
    expect(page.find('trust-changed')).toBeNull();
    expect(page.find('call-identity')?.dataset['trust']).toBe('changed');
  });

  it('becomes a contact when both want it', async () => {
    await page.open(App, 'call');
    await page.click('call-identity');
    await page.click('contact-ask');
    expect(page.find('contact-exchange')?.dataset['state']).toBe('requested');
    await page.settle(1_600);
    expect(page.find('contact-exchange')?.dataset['state']).toBe('added');
  });

  it('may ask to become one', async () => {
    await page.open(App, 'call-asked');
    await page.click('notice-accept');
    expect(page.text('exchange-added')).toContain('one of your contacts');
    await page.settle(9_000);
    expect(page.find('exchange-added')).toBeNull();
  });

  it('is told apart when it does not learn our address', async () => {
    await page.open(App, 'call-hidden');
    expect(page.text('call-relay-only')).toBe('Address hidden');
  });
});

describe('settings about people', () => {
  it('are kept', async () => {
    const session = await page.open(App, 'settings');
    await page.click('settings-do-not-disturb');
    await page.click('settings-relay-only');
    await page.click('settings-keep-in-tray');
    expect(session.app?.settings).toMatchObject({ do_not_disturb: true, relay_only: true, keep_in_tray: true });
    expect(page.find('settings-keep-in-tray')?.dataset['state']).toBe('on');
  });

  it('export, and delete everything at the second press', async () => {
    const session = await page.open(App, 'settings');
    await page.click('people-export');
    expect(page.text('people-said')).toContain('/Downloads/');
    await page.click('people-wipe');
    expect(session.snapshot.people.contacts).not.toEqual([]);
    await page.click('people-wipe-sure');
    expect(session.snapshot.people.contacts).toEqual([]);
    expect(page.text('people-said')).toBe('Everything was deleted.');
  });

  it('hide the address in a call that starts, or in all', async () => {
    const session = await page.open(App, 'lobby');
    await page.click('lobby-relay-only');
    await page.click('lobby-go');
    await page.settle(7_000);
    expect(session.snapshot.phase).toMatchObject({ kind: 'in_call', relay_only: true });
  });
});
