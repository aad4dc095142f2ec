import { describe, expect, it } from 'vitest';
import { inCall, LINK } from '../backend/fake/scenes';
import { HOME, viewOf } from './navigation';

describe('viewOf', () => {
  it('lets the call decide', () => {
    const lobby = { name: 'lobby', wish: { kind: 'start', code: false } } as const;
    expect(viewOf({ kind: 'joining', link: LINK }, lobby, false)).toBe('call');
    expect(viewOf({ kind: 'claiming', code: '7-amber-violin' }, HOME, false)).toBe('call');
    expect(viewOf(inCall(), lobby, true)).toBe('call');
    const ended = { kind: 'ended', reason: 'hung_up', duration_ms: 0, remote_name: '', link: '' } as const;
    expect(viewOf(ended, lobby, false)).toBe('ended');
  });

  it('shows the open page without a call', () => {
    expect(viewOf({ kind: 'idle' }, { name: 'settings' }, false)).toBe('settings');
    expect(viewOf({ kind: 'idle' }, { name: 'contact', id: 'mira' }, false)).toBe('contact');
    expect(viewOf({ kind: 'idle' }, HOME, true)).toBe('launching');
  });
});
