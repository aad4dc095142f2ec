//! How long what lasts.

use super::*;

#[test]
fn an_allocation_tells_its_address_and_lasts_as_long_as_its_credentials() {
    let mut rig = Rig::new();
    let member = rig.member(ROOM, "a", udp(1));
    rig.pass(100);
    let success = rig.say(&member, &Ask::Allocate).success();
    assert_eq!(success.mapped, Some(member.client.address));
    assert_eq!(success.lifetime_s, Some(200));
    assert!(success.signed);
    assert!((49_152..).contains(&success.relayed.unwrap().port()));
    rig.pass(199);
    assert_eq!(rig.core.stats(rig.at).allocations_live, 1);
    rig.pass(1);
    assert_eq!(rig.core.stats(rig.at).allocations_live, 0);
    assert_eq!(rig.core.stats(rig.at).allocations_total, 1);
}

#[test]
fn a_request_that_comes_again_is_answered_again() {
    let mut rig = Rig::new();
    let member = rig.member(ROOM, "a", udp(1));
    let request = messages::request(&Ask::Allocate, Some(&member.login));
    let first = rig.hand(member.client, &request).unwrap().1;
    let again = rig.hand(member.client, &request).unwrap().1;
    assert_eq!(messages::read(&first), messages::read(&again));
    assert_eq!(rig.say(&member, &Ask::Allocate).code(), 437, "another request is not the same");
}

#[test]
fn credentials_that_are_over_are_refused() {
    let mut rig = Rig::new();
    let member = rig.member(ROOM, "a", udp(1));
    rig.pass(300);
    assert_eq!(rig.say(&member, &Ask::Allocate).code(), 401);
    assert_eq!(rig.core.stats.allocations_total, 0);
}

#[test]
fn renewed_credentials_keep_alive_what_was_allocated_with_those_before() {
    let mut rig = Rig::new();
    let (member, _) = rig.allocated(ROOM, "a", udp(1));
    for _ in 0..40 {
        rig.pass(200);
        let now = rig.now();
        let (user, password) = rig.core.issue(now, ROOM, "a");
        assert_ne!(user, member.login.user);
        // A client that does not change its credentials in mid-call, such as a browser; its nonce is hours old.
        assert_eq!(rig.say(&member, &Ask::Refresh(None)).success().lifetime_s, Some(300));
        let renewed = Member { login: Login { user, password, ..member.login.clone() }, ..member.clone() };
        assert_eq!(rig.say(&renewed, &Ask::Refresh(Some(600))).success().lifetime_s, Some(300));
    }
}

#[test]
fn the_allocations_of_a_member_that_left_end_with_its_credentials() {
    let mut rig = Rig::new();
    let (member, _) = rig.allocated(ROOM, "a", udp(1));
    rig.pass(200);
    let now = rig.now();
    rig.core.issue(now, ROOM, "a");
    rig.core.left("a");
    assert_eq!(rig.say(&member, &Ask::Refresh(None)).success().lifetime_s, Some(100));
    rig.pass(99);
    assert_eq!(rig.say(&member, &Ask::Refresh(None)).success().lifetime_s, Some(1));
    rig.pass(1);
    assert_eq!(rig.core.stats(rig.at).allocations_live, 0);
    assert_eq!(rig.say(&member, &Ask::Refresh(None)).code(), 401);
}

#[test]
fn permissions_and_channels_end() {
    let mut rig = Rig::with(RelayConfig { credential_ttl: Duration::from_secs(3600), ..RelayConfig::default() });
    let [(a, _), (b, b_address)] = rig.pair();
    rig.pass(299);
    assert!(rig.relay(&a, b_address, b"x").is_some());
    rig.pass(1);
    assert!(rig.relay(&a, b_address, b"x").is_none());
    rig.say(&a, &Ask::Bind(0x4001, b_address)).success();
    rig.say(&a, &Ask::Refresh(None)).success();
    rig.say(&b, &Ask::Refresh(None)).success();
    rig.pass(599);
    for (member, peer) in [(&a, b_address), (&b, b_address)] {
        rig.say(member, &Ask::Permission(vec![peer])).success();
    }
    assert!(rig.hand(a.client, &messages::channel_data(0x4001, b"x", false)).is_some());
    rig.say(&a, &Ask::Refresh(None)).success();
    rig.say(&b, &Ask::Refresh(None)).success();
    rig.pass(1);
    assert!(rig.hand(a.client, &messages::channel_data(0x4001, b"x", false)).is_none());
}

#[test]
fn a_connection_takes_its_allocation_along() {
    let mut rig = Rig::new();
    let [(a, _), (b, b_address)] = rig.pair();
    rig.core.closed(&b.client.id);
    assert_eq!(rig.core.stats(rig.at).allocations_live, 1);
    assert!(rig.relay(&a, b_address, b"x").is_none());
    assert_eq!(rig.say(&b, &Ask::Refresh(None)).code(), 437);
}

#[test]
fn an_allocation_is_its_owners() {
    let mut rig = Rig::new();
    let (a, a_address) = rig.allocated(ROOM, "a", udp(1));
    let b = Member { client: a.client, ..rig.member(ROOM, "b", udp(2)) };
    let b = Member { login: Login { nonce: a.login.nonce.clone(), ..b.login }, ..b };
    for ask in [Ask::Refresh(Some(0)), Ask::Permission(vec![a_address]), Ask::Bind(0x4001, a_address)] {
        assert_eq!(rig.say(&b, &ask).code(), 441);
    }
    assert_eq!(rig.say(&b, &Ask::Allocate).code(), 437);
}
