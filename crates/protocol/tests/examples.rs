//! Every example in `docs/protocol.md` is a message, and says all there is to say.

use eyeline_protocol::{ClientMessage, ErrorCode, ServerMessage, wire};

const TEXT: &str = include_str!("../../../docs/protocol.md");

/// The fenced blocks whose first line is "```json KIND".
fn examples(kind: &str) -> Vec<String> {
    let opening = format!("```json {kind}\n");
    let after = TEXT.split(opening.as_str()).skip(1);
    after.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_example_is_of_a_kind_that_is_tested() {
    let all = TEXT.matches("```json").count();
    assert_eq!(all, examples("client").len() + examples("server").len());
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
        });
    }
    assert_eq!(kinds.len(), 5, "a message has no example");
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
        });
    }
    assert_eq!(kinds.len(), 8, "a message has no example");
}

#[test]
fn every_code_in_the_table_is_known() {
    let rows: Vec<&str> = TEXT.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows.len(), ErrorCode::known().len());
    for row in rows {
        assert!(!matches!(ErrorCode::from(row.to_owned()), ErrorCode::Other(_)), "{row}");
    }
}
