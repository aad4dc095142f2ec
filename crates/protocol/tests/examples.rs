//! Every example in `docs/protocol.md` is a message, and says all there is to say.

use eyeline_protocol::inner::Inner;
use eyeline_protocol::{ClientMessage, ErrorCode, ServerMessage, wire};
use serde_json::Value;

const TEXT: &str = include_str!("../../../docs/protocol.md");

/// Of types that other crates keep to themselves: only checked to be JSON objects.
const PRIVATE: [&str; 4] = ["card", "control", "ring", "ring_reply"];

/// The fenced blocks whose first line is "```json KIND".
fn examples(kind: &str) -> Vec<String> {
    let opening = format!("```json {kind}\n");
    let after = TEXT.split(opening.as_str()).skip(1);
    after.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_example_is_of_a_kind_that_is_tested() {
    let all = TEXT.matches("```json").count();
    let tested = ["client", "server", "inner"].into_iter().chain(PRIVATE);
    assert_eq!(all, tested.map(|kind| examples(kind).len()).sum::<usize>());
}

#[test]
fn every_example_of_a_private_type_is_an_object() {
    for kind in PRIVATE {
        let all = examples(kind);
        assert!(!all.is_empty(), "{kind}");
        for example in all {
            let object: Value = serde_json::from_str(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
            assert!(object.is_object(), "{example}");
        }
    }
}

#[test]
fn every_inner_example_is_a_message_and_comes_back() {
    let mut kinds = std::collections::HashSet::new();
    for example in examples("inner") {
        let message = Inner::decode(example.as_bytes()).unwrap_or_else(|error| panic!("{error}: {example}"));
        assert_eq!(Inner::decode(&message.encode()).as_ref(), Ok(&message));
        // Nothing in an example is ignored: what is written again says the same.
        let written: Value = serde_json::from_slice(&message.encode()).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Value>(&example).unwrap_or_default(), written);
        kinds.insert(match message {
            Inner::Offer { .. } => 0,
            Inner::Answer { .. } => 1,
            Inner::Candidate { .. } => 2,
            Inner::CandidatesEnd { .. } => 3,
            Inner::Restart { .. } => 4,
            Inner::Moved { .. } => 5,
            Inner::Busy { .. } => 6,
            Inner::Bye { .. } => 7,
            Inner::SasCommit { .. } => 8,
            Inner::SasNonce { .. } => 9,
            Inner::SasReveal { .. } => 10,
            Inner::ContactRequest { .. } => 11,
            Inner::ContactAccept { .. } => 12,
            Inner::ContactDecline => 13,
        });
    }
    assert_eq!(kinds.len(), 14, "a message has no example");
}

#[test]
fn every_client_example_is_a_message_and_comes_back() {
    let mut kinds = std::collections::HashSet::new();
    for example in examples("client") {
        let message = wire::decode_client(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
        assert_eq!(wire::decode_client(&wire::encode(&message)).as_ref(), Ok(&message));
        kinds.insert(match message {
            ClientMessage::Hello { .. } => 0,
            ClientMessage::Join { .. } => 1,
            ClientMessage::Send { .. } => 2,
            ClientMessage::Ack { .. } => 3,
            ClientMessage::Bye => 4,
            ClientMessage::CodeOpen => 5,
            ClientMessage::CodeClaim { .. } => 6,
            ClientMessage::CodeClose { .. } => 7,
            ClientMessage::InboxOpen { .. } => 8,
            ClientMessage::Ring { .. } => 9,
            ClientMessage::RingReply { .. } => 10,
            ClientMessage::RingCancel { .. } => 11,
            ClientMessage::Watch { .. } => 12,
            ClientMessage::IceRefresh => 13,
        });
    }
    assert_eq!(kinds.len(), 14, "a message has no example");
}

#[test]
fn every_server_example_is_a_message_and_comes_back() {
    let mut kinds = std::collections::HashSet::new();
    for example in examples("server") {
        let message = wire::decode_server(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
        assert_eq!(wire::decode_server(&wire::encode(&message)).as_ref(), Ok(&message));
        kinds.insert(match message {
            ServerMessage::Welcome { .. } => 0,
            ServerMessage::Joined { .. } => 1,
            ServerMessage::PeerJoined { .. } => 2,
            ServerMessage::From { .. } => 3,
            ServerMessage::Undeliverable { .. } => 4,
            ServerMessage::PeerLeft { .. } => 5,
            ServerMessage::GoingAway { .. } => 6,
            ServerMessage::Error { .. } => 7,
            ServerMessage::Code { .. } => 8,
            ServerMessage::CodeClaimed { .. } => 9,
            ServerMessage::CodeFailed => 10,
            ServerMessage::InboxOpened => 11,
            ServerMessage::InboxTaken => 12,
            ServerMessage::Ring { .. } => 13,
            ServerMessage::Ringing { .. } => 14,
            ServerMessage::RingFailed { .. } => 15,
            ServerMessage::RingReply { .. } => 16,
            ServerMessage::RingCancelled { .. } => 17,
            ServerMessage::Presence { .. } => 18,
            ServerMessage::Ice { .. } => 19,
        });
    }
    assert_eq!(kinds.len(), 20, "a message has no example");
}

#[test]
fn every_code_in_the_table_is_known() {
    let table = TEXT.split("### error").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let rows: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows.len(), ErrorCode::known().len());
    for row in rows {
        assert!(!matches!(ErrorCode::from(row.to_owned()), ErrorCode::Other(_)), "{row}");
    }
}
