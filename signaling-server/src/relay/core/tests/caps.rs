//! How much of what.

use super::*;

#[test]
fn a_join_has_four_allocations() {
    let mut rig = Rig::new();
    let members: Vec<Member> = (1..=5).map(|nth| rig.member(ROOM, "a", udp(nth))).collect();
    for member in &members[..4] {
        rig.say(member, &Ask::Allocate).success();
    }
    assert_eq!(rig.say(&members[4], &Ask::Allocate).code(), 486);
    let other = rig.member(ROOM, "b", udp(6));
    rig.say(&other, &Ask::Allocate).success();
    rig.say(&members[0], &Ask::Refresh(Some(0))).success();
    rig.say(&members[4], &Ask::Allocate).success();
    assert_eq!(rig.core.stats.refused(RelayRefusal::Quota), 1);
}

#[test]
fn a_client_that_changed_its_address_gets_the_place_of_what_is_silent() {
    let mut rig = Rig::new();
    let members: Vec<Member> = (1..=6).map(|nth| rig.member(ROOM, "a", udp(nth))).collect();
    for member in &members[..4] {
        rig.say(member, &Ask::Allocate).success();
        rig.pass(1);
    }
    assert_eq!(rig.say(&members[4], &Ask::Allocate).code(), 486, "none has been silent for long");
    rig.pass(3);
    // The first is in use: anything that comes keeps it.
    assert!(rig.hand(members[0].client, b"junk").is_none());
    rig.say(&members[4], &Ask::Allocate).success();
    let alive: Vec<bool> = members.iter().map(|member| rig.core.allocations.contains_key(&member.client.id)).collect();
    assert_eq!(alive, [true, false, true, true, true, false]);
    assert_eq!(rig.say(&members[1], &Ask::Refresh(None)).code(), 437);
}

#[test]
fn the_relay_has_an_end() {
    let mut rig = Rig::with(RelayConfig { allocations_max: 2, ..RelayConfig::default() });
    rig.pair();
    let third = rig.member(ROOM, "c", udp(3));
    assert_eq!(rig.say(&third, &Ask::Allocate).code(), 508);
    rig.pass(300);
    let third = rig.member(ROOM, "c", udp(3));
    rig.say(&third, &Ask::Allocate).success();
}

#[test]
fn every_port_is_given_once() {
    let mut rig = Rig::with(RelayConfig { allocations_max: 100_000, ..RelayConfig::default() });
    let mut ports = std::collections::HashSet::new();
    for nth in 0..16_384_u16 {
        let client = Client::datagram(0, ([203, 0, 113, 1], nth).into());
        let name = format!("m{nth}");
        let now = rig.now();
        let (user, password) = rig.core.issue(now, ROOM, &name);
        let nonce = rig.core.nonces.make(rig.unix_s, &client.id);
        let said = rig.ask(client, &Ask::Allocate, Some(&Login { user, password, nonce }));
        assert!(ports.insert(said.success().relayed));
        rig.at += Duration::from_secs(1);
        rig.core.strangers = super::super::super::caps::Strangers::new(rig.at, [1; 32], 20, true);
        rig.at -= Duration::from_secs(1);
    }
    let late = rig.member(ROOM, "late", udp(2));
    assert_eq!(rig.say(&late, &Ask::Allocate).code(), 508);
}

#[test]
fn what_an_allocation_sends_too_much_is_dropped() {
    let mut rig = Rig::with(RelayConfig { allocation_bytes_per_s: 100_000, ..RelayConfig::default() });
    let [(a, a_address), (b, b_address)] = rig.pair();
    let sent = (0..100).filter(|_| rig.relay(&a, b_address, &[7; 1000]).is_some()).count();
    assert_eq!(sent, 50, "half a second's worth");
    assert_eq!(rig.core.stats.dropped_by_cap, 50);
    assert!(rig.relay(&b, a_address, &[7; 1000]).is_some(), "the other has its own");
    rig.pass(1);
    assert!(rig.relay(&a, b_address, &[7; 1000]).is_some());
}

#[test]
fn what_all_send_too_much_is_dropped() {
    let mut rig = Rig::with(RelayConfig { total_bytes_per_s: 100_000, ..RelayConfig::default() });
    let [(a, a_address), (b, b_address)] = rig.pair();
    for _ in 0..25 {
        assert!(rig.relay(&a, b_address, &[7; 1000]).is_some());
        assert!(rig.relay(&b, a_address, &[7; 1000]).is_some());
    }
    assert!(rig.relay(&a, b_address, &[7; 1000]).is_none());
    assert_eq!(rig.core.stats.dropped_by_total_cap, 1);
}
