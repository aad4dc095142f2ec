//! Nameplates over real sockets.

use std::time::Duration;

use eyeline_protocol::{ClientMessage, FEATURE_CODES, FEATURE_INBOX, LeftReason, MemberId, ServerMessage};
use eyeline_server::{ServerConfig, ServerHandle};

use crate::support::{Client, ROOM, start};

async fn host(server: &ServerHandle) -> (Client, u32) {
    let (mut host, welcome) = Client::hello(server, None).await;
    let ServerMessage::Welcome { features, .. } = welcome else { panic!("{welcome:?}") };
    assert_eq!(features, [FEATURE_CODES, FEATURE_INBOX]);
    host.say(&ClientMessage::CodeOpen).await;
    match host.message().await {
        ServerMessage::Code { nameplate, .. } => (host, nameplate),
        other => panic!("{other:?}"),
    }
}

async fn claimed(client: &mut Client) -> (MemberId, MemberId) {
    match client.message().await {
        ServerMessage::CodeClaimed { me, peer } => (me, peer),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_meet_at_a_nameplate_and_go_on_to_a_room() {
    let server = start(ServerConfig::default()).await;
    let (mut host, nameplate) = host(&server).await;
    let (mut guest, _) = Client::hello(&server, None).await;
    guest.say(&ClientMessage::CodeClaim { nameplate }).await;
    let (guest_id, host_id) = claimed(&mut guest).await;
    assert_eq!(claimed(&mut host).await, (host_id.clone(), guest_id.clone()));

    host.send(&guest_id, 1, "AAAA").await;
    host.say(&ClientMessage::CodeClose { met: true }).await;
    host.say(&ClientMessage::Join { room_id: ROOM }).await;
    assert!(matches!(host.message().await, ServerMessage::Joined { .. }));
    // What the host said before it left arrives before that it left.
    assert_eq!(guest.message().await, ServerMessage::From { from: host_id.clone(), seq: 1, body: "AAAA".into() });
    assert_eq!(guest.message().await, ServerMessage::PeerLeft { id: host_id, reason: LeftReason::Bye });
    guest.say(&ClientMessage::CodeClose { met: false }).await;
    guest.say(&ClientMessage::Join { room_id: ROOM }).await;
    assert!(matches!(guest.message().await, ServerMessage::Joined { .. }));
    assert!(matches!(host.message().await, ServerMessage::PeerJoined { .. }));
}

#[tokio::test]
async fn a_code_that_nobody_claims_expires() {
    let server = start(ServerConfig { code_ttl: Duration::from_millis(200), ..ServerConfig::default() }).await;
    let (mut host, nameplate) = host(&server).await;
    assert_eq!(host.message().await, ServerMessage::CodeFailed);
    let (mut late, _) = Client::hello(&server, None).await;
    late.say(&ClientMessage::CodeClaim { nameplate }).await;
    assert_eq!(late.message().await, ServerMessage::CodeFailed);
}

#[tokio::test]
async fn the_limit_holds_across_the_sockets_of_an_address() {
    let config = ServerConfig { loopback_exempt: false, claims_max: 2, ..ServerConfig::default() };
    let server = start(config).await;
    let (_host, nameplate) = host(&server).await;
    for _ in 0..2 {
        let (mut guesser, _) = Client::hello(&server, None).await;
        guesser.say(&ClientMessage::CodeClaim { nameplate: nameplate + 1 }).await;
        assert_eq!(guesser.message().await, ServerMessage::CodeFailed);
    }
    let (mut guest, _) = Client::hello(&server, None).await;
    guest.say(&ClientMessage::CodeClaim { nameplate }).await;
    assert_eq!(guest.message().await, ServerMessage::CodeFailed);
}
