/** Which view is drawn. The call decides; the open page counts only without one. */

import type { Phase } from '../backend/generated/Phase';

/** Pages a person can open while there is no call. */
export type Page = { name: 'home' } | { name: 'lobby'; join: string | null } | { name: 'settings' };

export const HOME: Page = { name: 'home' };

export type View = Page['name'] | 'call' | 'ended' | 'launching';

export function viewOf(phase: Phase, page: Page, launching: boolean): View {
  switch (phase.kind) {
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
