//! Inboxes, rings and presence over real sockets.

use std::time::Duration;

use eyeline_protocol::{
    ClientMessage, Grant, InboxId, InboxSecret, RingId, RingToken, ServerMessage, TokenHash, Watched, limits,
};
use eyeline_server::{ServerConfig, ServerHandle};
use sha2::{Digest as _, Sha256};

use crate::support::{Client, Read, start};

/// The test vector of `docs/protocol.md`.
const SECRET: InboxSecret = InboxSecret([7; 32]);
const TOKEN: RingToken = RingToken([9; 16]);

fn inbox_id() -> InboxId {
    InboxId::parse("9xb8r8X1iTeyRk12Delo8A").unwrap()
}

async fn open(server: &ServerHandle) -> Client {
    let (mut client, _) = Client::hello(server, None).await;
    let hash = TokenHash::parse("BiMrCNq7Wk_bRmWYF5NJyEWw3DQ2MkeU4nAle04P284").unwrap();
    let tokens = vec![Grant { hash, presence: true }];
    client.say(&ClientMessage::InboxOpen { inbox_id: inbox_id(), proof: SECRET, tokens }).await;
    assert_eq!(client.message().await, ServerMessage::InboxOpened);
    client
}

fn presence(online: bool) -> ServerMessage {
    ServerMessage::Presence { inbox_id: inbox_id(), online }
}

#[tokio::test]
async fn a_contact_sees_who_is_there_and_rings() {
    let window = Duration::from_millis(200);
    let server = start(ServerConfig { resume_window: window, ..ServerConfig::default() }).await;
    let (mut caller, _) = Client::hello(&server, None).await;
    caller.say(&ClientMessage::Watch { contacts: vec![Watched { inbox_id: inbox_id(), token: TOKEN }] }).await;
    let mut callee = open(&server).await;
    assert_eq!(caller.message().await, presence(true));

    let ring_id = RingId::new("r1").unwrap();
    let body = "A".repeat(limits::RING_BODY_CHARS_MAX);
    let ring =
        |token| ClientMessage::Ring { ring_id: ring_id.clone(), inbox_id: inbox_id(), token, body: body.clone() };
    caller.say(&ring(RingToken([1; 16]))).await;
    assert_eq!(caller.message().await, ServerMessage::RingFailed { ring_id: ring_id.clone() });
    caller.say(&ring(TOKEN)).await;
    assert_eq!(caller.message().await, ServerMessage::Ringing { ring_id: ring_id.clone() });
    let ServerMessage::Ring { ring_ref, body: heard } = callee.message().await else { panic!() };
    assert_eq!(heard, body);
    callee.say(&ClientMessage::RingReply { ring_ref, body: "cmVwbHk".into() }).await;
    let reply = ServerMessage::RingReply { ring_id: ring_id.clone(), body: "cmVwbHk".into() };
    assert_eq!(caller.message().await, reply);

    drop(callee); // no close frame
    assert_eq!(caller.message().await, presence(false));
}

#[tokio::test]
async fn a_newer_socket_closes_the_older() {
    let server = start(ServerConfig::default()).await;
    let mut old = open(&server).await;
    let mut new = open(&server).await;
    assert_eq!(old.message().await, ServerMessage::InboxTaken);
    assert_eq!(old.read().await, Read::Closed(Some(1008)));
    new.say(&ClientMessage::Bye).await;
    assert_eq!(new.read().await, Read::Closed(Some(1000)));
}

#[tokio::test]
async fn a_ring_that_nobody_answers_ends() {
    let server = start(ServerConfig { ring_ttl: Duration::from_millis(200), ..ServerConfig::default() }).await;
    let mut callee = open(&server).await;
    let (mut caller, _) = Client::hello(&server, None).await;
    let ring_id = RingId::new("r1").unwrap();
    let body = "cmluZw".to_owned();
    caller.say(&ClientMessage::Ring { ring_id: ring_id.clone(), inbox_id: inbox_id(), token: TOKEN, body }).await;
    assert_eq!(caller.message().await, ServerMessage::Ringing { ring_id: ring_id.clone() });
    let ServerMessage::Ring { ring_ref, .. } = callee.message().await else { panic!() };
    assert_eq!(callee.message().await, ServerMessage::RingCancelled { ring_ref });
    assert_eq!(caller.message().await, ServerMessage::RingFailed { ring_id });
}

#[tokio::test]
async fn the_longest_list_may_all_be_there() {
    let server = start(ServerConfig::default()).await;
    let tokens: Vec<RingToken> = (0..limits::WATCH_MAX).map(|nth| RingToken((nth as u128).to_be_bytes())).collect();
    let grants = tokens.iter().map(|token| Grant { hash: TokenHash(Sha256::digest(token.0).into()), presence: true });
    let (mut owner, _) = Client::hello(&server, None).await;
    let tokens_allowed = grants.collect();
    owner.say(&ClientMessage::InboxOpen { inbox_id: inbox_id(), proof: SECRET, tokens: tokens_allowed }).await;
    assert_eq!(owner.message().await, ServerMessage::InboxOpened);

    let (mut watcher, _) = Client::hello(&server, None).await;
    let contacts: Vec<Watched> = tokens.iter().map(|token| Watched { inbox_id: inbox_id(), token: *token }).collect();
    for _ in 0..2 {
        watcher.say(&ClientMessage::Watch { contacts: contacts.clone() }).await;
    }
    for _ in 0..2 * limits::WATCH_MAX {
        assert_eq!(watcher.message().await, presence(true));
    }
}
