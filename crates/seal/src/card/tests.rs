use proptest::prelude::*;

use super::*;
use crate::testing::{card, identity};

fn json(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let identity = identity(1);
    let mut json = serde_json::to_value(card("Ines").signed(&identity, &identity.noise, Some([7; 32]))).unwrap();
    change(&mut json);
    serde_json::to_vec(&json).unwrap()
}

fn read(json: &[u8]) -> Result<PeerCard, CardError> {
    PeerCard::check(Card::from_json(json)?, identity(1).noise.public())
}

#[test]
fn unknown_fields_clients_and_later_versions_are_read() {
    let read = read(&json(|card| {
        card["v"] = 2.into();
        card["pronouns"] = "they".into();
        card["client"] = "toaster".into();
    }))
    .unwrap();
    assert_eq!((read.client, read.name.as_str()), (Client::Other, "Ines"));
}

#[test]
fn what_is_not_a_card_or_not_signed_is_refused() {
    for (field, value, error) in [
        ("v", 0.into(), CardError::Malformed),
        ("device", "short".into(), CardError::Malformed),
        ("device", identity(2).device.id().to_string().into(), CardError::NotSigned),
        ("noise_key_signature", identity(2).noise.signature().to_string().into(), CardError::NotSigned),
        ("noise_key_signature", serde_json::Value::Null, CardError::Malformed),
        ("valid_from_unix_s", 7.into(), CardError::NotSigned),
        ("valid_from_unix_s", (-1).into(), CardError::Malformed),
        ("name", 7.into(), CardError::Malformed),
        ("bind", "AAAA".into(), CardError::Malformed),
        ("capabilities", "sas".into(), CardError::Malformed),
    ] {
        let refused = read(&json(|card| card[field] = value.clone()));
        assert_eq!(refused.err(), Some(error), "{field}");
    }
    assert!(read(&json(|_| {})).is_ok());
    for bytes in [&b""[..], b"{}", b"[1]", b"\xff"] {
        assert_eq!(read(bytes).err(), Some(CardError::Malformed));
    }
}

#[test]
fn names_and_capabilities_of_others_are_cleaned() {
    let read = read(&json(|card| {
        card["name"] = "  Eve\u{202e}\u{200b}\n\n the\tOther \u{1f469}\u{200d}\u{1f680}".into();
        card["capabilities"] = serde_json::json!(["sas", "", "UPPER", "x".repeat(25), "with space"]);
    }))
    .unwrap();
    assert_eq!(read.name, "Eve the Other \u{1f469}\u{200d}\u{1f680}");
    assert_eq!(read.capabilities, ["sas"]);
    assert_eq!(clean_name(&"abc ".repeat(50)).len(), NAME_CHARS_MAX - 1, "a blank at the cut goes too");
    assert_eq!(clean_name("\u{200b}\u{2066} \u{7}"), "");
}

proptest! {
    #[test]
    fn a_cleaned_name_is_short_and_stays_as_it_is(name in "\\PC{0,90}|(\\s|\\p{Cf}|\\p{Cc}|[a-z]){0,90}") {
        let clean = clean_name(&name);
        prop_assert!(clean.chars().count() <= NAME_CHARS_MAX);
        prop_assert!(!clean.chars().any(char::is_control));
        prop_assert_eq!(clean_name(&clean), clean);
    }
}
