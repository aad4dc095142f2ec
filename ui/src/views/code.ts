/** Reading what is being typed where a link or a code may stand. Whether a code is one, the app decides. */

export type Typed = 'nothing' | 'link' | 'code' | 'neither';

const CODE = /^\s*(\d+)[\s.,_-]*([a-z]*)(?:[\s.,_-]+([a-z]*))?[\s.,_-]*$/i;

/** What a text looks like so far. */
export function typed(text: string): Typed {
  const trimmed = text.trim();
  if (trimmed === '') return 'nothing';
  if (/[:/#]/.test(trimmed)) return 'link';
  return /^\d/.test(trimmed) ? 'code' : 'neither';
}

/** The word of a code that is being typed; empty when none is. */
export function unfinished(text: string): string {
  const [, , first, second] = CODE.exec(text) ?? [];
  return (second ?? first ?? '').toLowerCase();
}

/** The text with its unfinished word completed, written as codes are, and ready for the next word if one is due. */
export function complete(text: string, word: string): string {
  const [, nameplate, first, second] = CODE.exec(text) ?? [];
  if (nameplate === undefined || first === undefined) return text;
  return second === undefined ? `${nameplate}-${word}-` : `${nameplate}-${first.toLowerCase()}-${word}`;
}

/** A code in its parts, to be shown large: `7`, `amber`, `violin`. */
export function parts(code: string): string[] {
  return code.split('-');
}
