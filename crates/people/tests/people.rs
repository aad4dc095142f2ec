//! Contacts and past calls, kept and changed.

mod common;

use common::{missed, somebody};
use eyeline_people::{CONTACTS_MAX, CallKind, Direction, HISTORY_MAX, History, Outcome, People, PeopleError, Reach};

#[test]
fn every_field_of_a_contact_is_kept() {
    let mut people = People::in_memory().unwrap();
    let mut ada = somebody(1, "Ada");
    people.put_contact(&ada).unwrap();
    assert_eq!(people.contact(&ada.device).unwrap(), Some(ada.clone()));

    let reach = Reach { server: "http://10.0.0.9:7420".into(), inbox_id: [3; 16], ring_token: [4; 16] };
    let device = ada.device;
    people.set_name(&device, "Ada L.").unwrap();
    people.set_alias(&device, Some("Countess")).unwrap();
    people.set_verified(&device, Some(77)).unwrap();
    people.set_blocked(&device, true).unwrap();
    people.set_relay_only(&device, true).unwrap();
    people.set_presence_allowed(&device, false).unwrap();
    people.set_reach(&device, Some(&reach)).unwrap();
    people.set_noise_key(&device, &[5; 32], u64::MAX, &[6; 64]).unwrap();
    people.set_our_token(&device, &[7; 16]).unwrap();
    ada.name = "Ada L.".into();
    ada.alias = Some("Countess".into());
    ada.verified_at = Some(77);
    (ada.blocked, ada.relay_only, ada.presence_allowed) = (true, true, false);
    ada.their = Some(reach);
    (ada.noise_key, ada.noise_signature, ada.our_token) = ([5; 32], [6; 64], [7; 16]);
    ada.noise_valid_from_s = i64::MAX.unsigned_abs();
    assert_eq!(people.contact(&device).unwrap(), Some(ada.clone()));

    people.set_alias(&device, None).unwrap();
    people.set_reach(&device, None).unwrap();
    (ada.alias, ada.their) = (None, None);
    assert_eq!(people.contacts().unwrap(), [ada]);
}

#[test]
fn nobody_is_changed_by_mistake() {
    let mut people = People::in_memory().unwrap();
    let (ada, bo) = (somebody(1, "Ada"), somebody(2, "Bo"));
    people.put_contact(&ada).unwrap();
    people.put_contact(&bo).unwrap();
    people.set_blocked(&bo.device, true).unwrap();
    assert_eq!(people.contact(&ada.device).unwrap(), Some(ada.clone()));
    assert!(matches!(people.set_blocked(&[9; 32], true), Err(PeopleError::NoSuchContact)));
    assert!(!people.remove_contact(&[9; 32]).unwrap());
    assert_eq!(people.contacts().unwrap().len(), 2);
}

#[test]
fn contacts_come_by_the_name_that_is_shown() {
    let mut people = People::in_memory().unwrap();
    let mut cyril = somebody(1, "Cyril");
    cyril.alias = Some("aunt".into());
    for contact in [&somebody(2, "bo"), &somebody(3, "Ann"), &cyril, &somebody(4, "Émile")] {
        people.put_contact(contact).unwrap();
    }
    let shown: Vec<_> = people.contacts().unwrap().iter().map(|contact| contact.shown_name().to_owned()).collect();
    assert_eq!(shown, ["Ann", "aunt", "bo", "Émile"]);
}

#[test]
fn a_name_leads_to_everybody_who_has_it() {
    let mut people = People::in_memory().unwrap();
    let mut robert = somebody(1, "Robert");
    robert.alias = Some("Bo".into());
    people.put_contact(&robert).unwrap();
    people.put_contact(&somebody(2, "BO ")).unwrap();
    people.put_contact(&somebody(3, "Élodie")).unwrap();
    let mut known = people.known_under_name(" bo").unwrap();
    known.sort_unstable();
    assert_eq!(known, [[1; 32], [2; 32]]);
    assert_eq!(people.known_under_name("élodie").unwrap(), [[3; 32]]);
    assert!(people.known_under_name("Bob").unwrap().is_empty());
}

#[test]
fn contacts_have_a_bound() {
    let mut people = People::in_memory().unwrap();
    let numbered = |number: usize| {
        let mut contact = somebody(1, &format!("number {number}"));
        contact.device[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        contact
    };
    for number in 0..CONTACTS_MAX {
        people.put_contact(&numbered(number)).unwrap();
    }
    assert!(matches!(people.put_contact(&numbered(CONTACTS_MAX)), Err(PeopleError::Full)));
    people.put_contact(&numbered(7)).expect("one that is there can still be replaced");
    assert_eq!(people.contacts().unwrap().len(), CONTACTS_MAX);
}

#[test]
fn past_calls_come_newest_first_and_are_looked_at() {
    let mut people = People::in_memory().unwrap();
    let ada = somebody(1, "Ada");
    people.put_contact(&ada).unwrap();
    let call = History {
        direction: Direction::Out,
        kind: CallKind::Code,
        outcome: Outcome::Answered,
        duration_ms: 61_000,
        device: None,
        name: "Bo".into(),
        ..missed(&ada, 200)
    };
    let first = people.add_history(&missed(&ada, 100)).unwrap();
    let third = people.add_history(&missed(&ada, 300)).unwrap();
    let second = people.add_history(&call).unwrap();
    let history = people.history(10).unwrap();
    assert_eq!(history.iter().map(|call| call.id).collect::<Vec<_>>(), [third, second, first]);
    assert_eq!(history[1], History { id: second, ..call });
    assert_eq!(history[2], History { id: first, ..missed(&ada, 100) });
    assert_eq!(people.history(1).unwrap().len(), 1);

    assert_eq!(people.unseen_missed().unwrap(), 2, "a call of ours is not missed");
    people.mark_seen().unwrap();
    assert_eq!(people.unseen_missed().unwrap(), 0);
    assert!(people.remove_history(second).unwrap());
    assert!(!people.remove_history(second).unwrap());
    people.clear_history().unwrap();
    assert!(people.history(10).unwrap().is_empty());
    assert_eq!(people.contacts().unwrap(), [ada]);
}

#[test]
fn past_calls_outlive_the_contact_and_its_changes() {
    let mut people = People::in_memory().unwrap();
    let mut ada = somebody(1, "Ada");
    people.put_contact(&ada).unwrap();
    people.add_history(&missed(&ada, 100)).unwrap();
    people.add_history(&missed(&somebody(2, "A stranger"), 50)).unwrap();
    ada.name = "Ada L.".into();
    people.put_contact(&ada).unwrap();
    let linked = |people: &People| -> Vec<_> {
        people.history(10).unwrap().into_iter().map(|call| (call.device, call.name)).collect()
    };
    let stranger = (None, "A stranger".to_owned());
    assert_eq!(linked(&people), [(Some(ada.device), "Ada".to_owned()), stranger.clone()]);
    assert!(people.remove_contact(&ada.device).unwrap());
    assert_eq!(linked(&people), [(None, "Ada".to_owned()), stranger]);
}

#[test]
fn the_oldest_past_calls_give_way() {
    let mut people = People::in_memory().unwrap();
    let ada = somebody(1, "Ada");
    for at in 0..10 + i64::try_from(HISTORY_MAX).unwrap() {
        people.add_history(&missed(&ada, at)).unwrap();
    }
    let history = people.history(usize::MAX).unwrap();
    assert_eq!(history.len(), HISTORY_MAX);
    assert_eq!(history.last().unwrap().started_at, 10);
}

#[test]
fn an_export_says_all_and_betrays_nothing() {
    let mut people = People::in_memory().unwrap();
    let mut ada = somebody(1, "Ada");
    ada.alias = Some("Countess".into());
    ada.verified_at = Some(77);
    people.put_contact(&ada).unwrap();
    people.add_history(&missed(&ada, 100)).unwrap();
    let export = people.export().unwrap();
    assert_eq!(export["contacts"][0]["alias"], "Countess");
    assert_eq!(export["contacts"][0]["server"], "https://server-1.example.org");
    assert_eq!(export["contacts"][0]["device"], "01".repeat(32));
    assert_eq!(export["history"][0]["outcome"], "missed");
    let text = export.to_string();
    let their = ada.their.unwrap();
    let secrets: [&[u8]; 5] =
        [&their.ring_token, &their.inbox_id, &ada.our_token, &ada.noise_key, &ada.noise_signature];
    for secret in secrets {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let list: String = secret.iter().map(|byte| format!("{byte},")).collect();
        assert!(!text.contains(&hex) && !text.contains(list.trim_end_matches(',')), "{hex}");
    }
    let fields: Vec<_> = export["contacts"][0].as_object().unwrap().keys().cloned().collect();
    let known =
        ["added_at", "alias", "blocked", "device", "name", "presence_allowed", "relay_only", "server", "verified_at"];
    assert_eq!(fields, known, "a new field: is it a secret?");
}

#[test]
fn debug_output_tells_nobody_apart() {
    let mut people = People::in_memory().unwrap();
    let mut ada = somebody(1, "Ada");
    ada.alias = Some("Countess".into());
    people.put_contact(&ada).unwrap();
    let id = people.add_history(&missed(&ada, 100)).unwrap();
    let call = History { id, ..missed(&ada, 100) };
    let shown = format!("{ada:?} {:?} {call:?} {people:?}", ada.their);
    for private in ["Ada", "Countess", "server-1", "[1, 1", "[51, 51", "[61, 61", "[71, 71", "[81, 81", "[91, 91"] {
        assert!(!shown.contains(private), "{private} in {shown}");
    }
}
