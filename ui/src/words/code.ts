/** Words about spoken codes. */

import type { CodeState } from '../backend/generated/CodeState';
import type { Words } from './plain';

const MINUTE_MS = 60_000;

/** Somebody tried a code before this one. */
export const TRIED: Words = {
  title: 'Somebody tried a wrong code',
  next: 'It no longer works. This is a new one: say it again.',
};

/** Where a code stands, and what to do. */
export function codeWords(code: CodeState): Words {
  switch (code.kind) {
    case 'asking':
      return { title: 'Getting a code…', next: 'The server is asked for a number.' };
    case 'shown':
      return { title: 'Say these words', next: 'They type them in Eyeline, under “join with a link or a code”.' };
    case 'taken':
      return { title: 'They typed it right', next: 'The other person is about to join.' };
    case 'burned':
      return {
        title: 'Somebody keeps guessing',
        next: `Wrong tries so far: ${code.wrong_tries}. If it was the other person, take a new code; if not, send them the link.`,
      };
    case 'expired':
      return { title: 'The code has expired', next: 'Nobody typed it in time. Take a new one when they are ready.' };
    case 'unavailable':
      return { title: 'No code right now', next: 'The server gives none. The link works all the same.' };
  }
}

/** How long a code still works. */
export function leftWords(leftMs: number): string {
  const minutes = Math.ceil(leftMs / MINUTE_MS);
  if (minutes > 1) return `The code works once, for ${minutes} more minutes.`;
  return leftMs > 0 ? 'The code works once, for less than a minute more.' : 'The code is about to expire.';
}
