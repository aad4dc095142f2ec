/** What a contact is shown as. */

import type { Contact } from '../backend/generated/Contact';

export function canRing(contact: Contact): boolean {
  return contact.can_ring && !contact.blocked;
}

/** One line below the name. */
export function statusOf(contact: Contact): string {
  if (contact.blocked) return 'Blocked';
  if (contact.online) return 'Online';
  return contact.can_ring ? 'Not seen online' : 'Cannot be rung';
}
