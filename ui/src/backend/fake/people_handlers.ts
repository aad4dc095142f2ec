/** What happens to made-up people when their buttons are pressed. */

import type { Contact } from '../generated/Contact';
import type { FakeApp, Handlers } from './app';
import { nobody } from './people';

const ANSWER_MS = 1_500;

type PeopleHandlers = Pick<
  Handlers,
  | 'contact_request'
  | 'contact_answer'
  | 'contact_rename'
  | 'contact_block'
  | 'contact_relay_only'
  | 'contact_presence'
  | 'contact_remove'
  | 'sas_confirm'
  | 'history_seen'
  | 'history_forget'
  | 'history_clear'
  | 'people_export'
  | 'people_wipe'
>;

export function peopleHandlers(app: FakeApp): PeopleHandlers {
  return {
    contact_request: () => {
      app.within('in_call', ({ identity }) => {
        identity.exchange = 'requested';
      });
      return app.later(ANSWER_MS, () => becomeContacts(app));
    },
    contact_answer: ({ accept }) => (accept ? becomeContacts(app) : refuse(app)),
    contact_rename: ({ contact, name }) =>
      edit(app, contact, (found) => {
        found.name = name.trim() || found.own_name;
      }),
    contact_block: ({ contact, blocked }) => edit(app, contact, (found) => Object.assign(found, { blocked })),
    contact_relay_only: ({ contact, on }) => edit(app, contact, (found) => Object.assign(found, { relay_only: on })),
    contact_presence: ({ contact, on }) =>
      edit(app, contact, (found) => Object.assign(found, { presence_allowed: on })),
    contact_remove: ({ contact }) =>
      app.change(({ people }) => {
        people.contacts = people.contacts.filter(({ id }) => id !== contact);
      }),
    sas_confirm: ({ matches }) =>
      app.within('in_call', ({ identity }) => {
        identity.trust = matches ? 'verified' : 'mismatch';
      }),
    history_seen: () =>
      app.change(({ people }) => {
        people.unseen_missed = 0;
        for (const call of people.history) call.unseen = false;
      }),
    history_forget: ({ id }) =>
      app.change(({ people }) => {
        people.history = people.history.filter((call) => call.id !== id);
      }),
    history_clear: () => {
      app.saveApp({ recent: [] });
      return app.change(({ people }) => Object.assign(people, { history: [], unseen_missed: 0 }));
    },
    people_export: () => '/home/ada/Downloads/eyeline-2026-03-01.json',
    people_wipe: () => {
      app.saveApp({ recent: [] });
      return app.change((now) => {
        now.people = { ...nobody(), reachable: now.people.reachable };
      });
    },
  };
}

function edit(app: FakeApp, id: string, change: (contact: Contact) => void): null {
  return app.change(({ people }) => people.contacts.filter((contact) => contact.id === id).forEach(change));
}

function becomeContacts(app: FakeApp): null {
  return app.within('in_call', ({ identity }) => Object.assign(identity, { exchange: 'added', contact: 'mira' }));
}

function refuse(app: FakeApp): null {
  return app.within('in_call', ({ identity }) => {
    identity.exchange = 'none';
  });
}
