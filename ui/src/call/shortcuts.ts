/** Single-key shortcuts of the call. */

export type Shortcut = 'microphone' | 'camera' | 'full_screen' | 'link' | 'quality' | 'leave_full_screen';

const KEYS: Record<string, Shortcut> = {
  m: 'microphone',
  v: 'camera',
  f: 'full_screen',
  l: 'link',
  q: 'quality',
  escape: 'leave_full_screen',
};

/** The key belongs to a field, or to a shortcut of the system. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  return event.target instanceof Element && event.target.closest('input, select, textarea') !== null;
}

/** What a key press asks for. */
export function shortcutOf(event: KeyboardEvent): Shortcut | undefined {
  return event.repeat || event.defaultPrevented || isTyping(event) ? undefined : KEYS[event.key.toLowerCase()];
}
