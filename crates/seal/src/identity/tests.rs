use super::*;
use crate::testing::{NOW, identity};

#[test]
fn an_identity_comes_back_from_the_key_store() {
    let mut identity = identity(1);
    for life in 1..3 {
        let stored = identity.to_bytes();
        let again = Identity::from_bytes(&stored).unwrap();
        assert_eq!(again.to_bytes(), stored);
        assert_eq!(again.device.id(), identity.device.id());
        assert!(identity.rotate_if_due([9; 32], NOW + life * NOISE_KEY_LIFE_S));
    }
    assert!(identity.previous.is_some());
}

#[test]
fn damaged_stored_keys_are_refused() {
    let stored = identity(1).to_bytes();
    for length in 0..stored.len() {
        assert!(Identity::from_bytes(&stored[..length]).is_err(), "cut to {length}");
    }
    for at in 0..stored.len() {
        let mut changed = stored.clone();
        changed[at] ^= 0x10;
        assert!(Identity::from_bytes(&changed).is_err(), "changed at {at}");
    }
}

#[test]
fn the_noise_key_rotates_and_the_one_before_stays() {
    let mut identity = identity(1);
    let first = identity.noise.public();
    assert!(!identity.rotate_if_due([7; 32], NOW + NOISE_KEY_LIFE_S - 1));
    assert!(identity.rotate_if_due([7; 32], NOW + NOISE_KEY_LIFE_S));
    assert_eq!(identity.previous.as_ref().unwrap().public(), first);
    assert_eq!(identity.noise.valid_from_unix_s(), NOW + NOISE_KEY_LIFE_S);
    assert!(!identity.rotate_if_due([8; 32], NOW + NOISE_KEY_LIFE_S), "once is enough");
    assert!(identity.rotate_if_due([8; 32], 1), "made under a clock far ahead");
}

#[test]
fn a_signature_holds_for_one_device_key_and_time() {
    let (ann, bob) = (identity(1), identity(2));
    let key = &ann.noise;
    let check =
        |device: &Identity, public: NoisePublic, from| public.check(&device.device.id(), from, &key.signature());
    assert_eq!(check(&ann, key.public(), NOW), Ok(()));
    assert_eq!(check(&bob, key.public(), NOW), Err(KeyError::NotSigned));
    assert_eq!(check(&ann, bob.noise.public(), NOW), Err(KeyError::NotSigned));
    assert_eq!(check(&ann, key.public(), NOW + 1), Err(KeyError::NotSigned));
}

#[test]
fn a_device_id_is_43_characters_and_a_usable_key() {
    let id = identity(1).device.id();
    let text = id.to_string();
    assert_eq!(text.len(), 43);
    assert_eq!(DeviceId::parse(&text), Ok(id));
    assert_eq!(serde_json::from_str::<DeviceId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    for bad in ["", &text[..42], &format!("{text}A"), &text.replace(&text[3..4], "+")] {
        assert_eq!(DeviceId::parse(bad), Err(KeyError::Malformed), "{bad}");
    }
    let identity_point = std::array::from_fn(|at| u8::from(at == 0));
    assert_eq!(DeviceId::from_bytes(identity_point), Err(KeyError::Unusable), "every signature fits it");
    assert_eq!(DeviceId::from_bytes([2; 32]), Err(KeyError::Unusable), "not on the curve");
}

#[test]
fn an_inbox_differs_by_device_and_server() {
    let (ann, bob) = (identity(1).device, identity(2).device);
    let secret = inbox_owner_secret(&ann, "a.example");
    assert_eq!(secret, inbox_owner_secret(&ann, "a.example"));
    assert_ne!(secret, inbox_owner_secret(&ann, "b.example"));
    assert_ne!(secret, inbox_owner_secret(&bob, "a.example"));
    assert_ne!(inbox_id(&secret), inbox_id(&inbox_owner_secret(&bob, "a.example")));
}

#[test]
fn debug_shows_no_key() {
    let identity = identity(1);
    let shown = format!(
        "{identity:?} {:?} {:?} {:?} {:?} {:?}",
        identity.device,
        identity.noise,
        identity.device.id(),
        identity.noise.public(),
        identity.noise.signature()
    );
    assert_eq!(shown, "Identity(..) DeviceKey(..) NoiseKey(..) DeviceId(..) NoisePublic(..) KeySignature(..)");
}
