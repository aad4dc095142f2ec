// @vitest-environment jsdom
import { afterEach, describe, expect, it } from 'vitest';
import { shortcutOf } from './shortcuts';

function press(target: Element, init: KeyboardEventInit): ReturnType<typeof shortcutOf> {
  let found: ReturnType<typeof shortcutOf>;
  document.body.append(target);
  addEventListener('keydown', (event) => (found = shortcutOf(event)), { once: true });
  target.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, ...init }));
  return found;
}

afterEach(() => document.body.replaceChildren());

describe('shortcuts', () => {
  it('are single keys, in either case', () => {
    expect(press(document.createElement('main'), { key: 'm' })).toBe('microphone');
    expect(press(document.createElement('main'), { key: 'V' })).toBe('camera');
    expect(press(document.createElement('button'), { key: 'f' })).toBe('full_screen');
    expect(press(document.createElement('main'), { key: 'Q' })).toBe('quality');
    expect(press(document.createElement('main'), { key: 'x' })).toBeUndefined();
  });

  it('leave typing, held keys and the system alone', () => {
    expect(press(document.createElement('input'), { key: 'm' })).toBeUndefined();
    expect(press(document.createElement('select'), { key: 'm' })).toBeUndefined();
    expect(press(document.createElement('main'), { key: 'm', ctrlKey: true })).toBeUndefined();
    expect(press(document.createElement('main'), { key: 'm', repeat: true })).toBeUndefined();
  });
});
