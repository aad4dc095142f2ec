//! People to test with.

#![allow(dead_code, reason = "each test file uses a part")]

use eyeline_people::{CallKind, Contact, Direction, History, Outcome, Reach};

/// Somebody whose keys and tokens all begin with `number`.
pub(crate) fn somebody(number: u8, name: &str) -> Contact {
    Contact {
        device: [number; 32],
        name: name.into(),
        alias: None,
        verified_at: None,
        blocked: false,
        their: Some(Reach {
            server: format!("https://server-{number}.example.org"),
            inbox_id: [number.wrapping_add(50); 16],
            ring_token: [number.wrapping_add(60); 16],
        }),
        noise_key: [number.wrapping_add(70); 32],
        noise_valid_from_s: 1_790_000_000,
        noise_signature: [number.wrapping_add(80); 64],
        our_token: [number.wrapping_add(90); 16],
        presence_allowed: true,
        relay_only: false,
        added_at: 1_790_000_000_123,
    }
}

/// A ring by `contact` at `started_at` that was missed.
pub(crate) fn missed(contact: &Contact, started_at: i64) -> History {
    History {
        id: 0,
        device: Some(contact.device),
        name: contact.name.clone(),
        direction: Direction::In,
        kind: CallKind::Ring,
        outcome: Outcome::Missed,
        started_at,
        duration_ms: 0,
        seen: false,
    }
}
