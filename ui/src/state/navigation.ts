/** Which view is drawn. The call decides; the open page counts only without one. */

import type { Phase } from '../backend/generated/Phase';

/** The call a person wants. */
export type Wish =
  /** A call of their own, with a code to say or only a link. */
  | { kind: 'start'; code: boolean }
  /** The call behind a link. */
  | { kind: 'link'; link: string }
  /** The call behind a code, at a server or at that of the settings. */
  | { kind: 'code'; code: string; server: string | null };

/** Pages a person can open while there is no call. */
export type Page =
  /** With the keyboard in the field for links and codes, or not. */
  | { name: 'home'; join?: boolean }
  | { name: 'lobby'; wish: Wish }
  | { name: 'contact'; id: string }
  | { name: 'settings' };

export const HOME: Page = { name: 'home' };

export type View = Page['name'] | 'call' | 'ended' | 'launching';

export function viewOf(phase: Phase, page: Page, launching: boolean): View {
  switch (phase.kind) {
    case 'claiming':
    case 'joining':
    case 'waiting':
    case 'connecting':
    case 'in_call':
      return 'call';
    case 'ended':
      return 'ended';
    case 'idle':
      return launching ? 'launching' : page.name;
  }
}
