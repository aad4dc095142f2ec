/** What all the words have in common. */

/** What happened, and what to do about it. */
export interface Words {
  title: string;
  next: string;
}

export const UNKNOWN = 'the other person';

/** Words for the other side when its name is not known. */
export function nameOr(name: string, unknown = UNKNOWN): string {
  return name.trim() === '' ? unknown : name.trim();
}

/** The same with a capital letter first. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
