//! Who reaches whom.

use super::*;

#[test]
fn data_goes_both_ways_once_both_permit() {
    let mut rig = Rig::new();
    let (a, a_address) = rig.allocated(ROOM, "a", udp(1));
    let (b, b_address) = rig.allocated(ROOM, "b", tcp(2));
    assert!(rig.relay(&a, b_address, b"x").is_none(), "neither permitted");
    rig.say(&a, &Ask::Permission(vec![b_address])).success();
    assert!(rig.relay(&a, b_address, b"x").is_none(), "the other did not permit");
    rig.say(&b, &Ask::Permission(vec![a_address])).success();
    let (to, said) = rig.relay(&a, b_address, b"hello").unwrap();
    assert!(to == b.client.id);
    assert_eq!(said, Said::Indication { from: a_address, data: b"hello".to_vec() });
    let (to, said) = rig.relay(&b, a_address, b"").unwrap();
    assert!(to == a.client.id);
    assert_eq!(said, Said::Indication { from: b_address, data: Vec::new() });
    assert_eq!((rig.core.stats.relayed_packets, rig.core.stats.relayed_bytes), (2, 5));
    assert_eq!(rig.core.stats.dropped_without_peer, 2);
}

#[test]
fn channels_carry_data_and_are_padded_in_streams_only() {
    let mut rig = Rig::new();
    let (a, a_address) = rig.allocated(ROOM, "a", udp(1));
    let (b, b_address) = rig.allocated(ROOM, "b", tcp(2));
    rig.say(&a, &Ask::Bind(0x4001, b_address)).success();
    rig.say(&b, &Ask::Bind(0x4abc, a_address)).success();
    let (to, bytes) = rig.hand(a.client, &messages::channel_data(0x4001, b"hello", false)).unwrap();
    assert!(to == b.client.id);
    assert_eq!(bytes, [&[0x4a, 0xbc, 0, 5][..], b"hello", &[0, 0, 0]].concat());
    let (to, bytes) = rig.hand(b.client, &messages::channel_data(0x4abc, b"hello", true)).unwrap();
    assert!(to == a.client.id);
    assert_eq!(bytes, [&[0x40, 0x01, 0, 5][..], b"hello"].concat());
    assert!(rig.hand(a.client, &messages::channel_data(0x4002, b"x", false)).is_none(), "not bound");
}

#[test]
fn a_channel_has_one_peer_and_a_peer_one_channel() {
    let mut rig = Rig::new();
    let [(a, a_address), (_, b_address)] = rig.pair();
    rig.say(&a, &Ask::Bind(0x4001, b_address)).success();
    rig.say(&a, &Ask::Bind(0x4001, b_address)).success();
    assert_eq!(rig.say(&a, &Ask::Bind(0x4001, a_address)).code(), 400);
    assert_eq!(rig.say(&a, &Ask::Bind(0x4002, b_address)).code(), 400);
    for number in [0, 0x3fff, 0x7fff, 0xffff] {
        assert_eq!(rig.say(&a, &Ask::Bind(number, b_address)).code(), 400, "{number:#x}");
    }
}

#[test]
fn what_is_no_live_allocation_of_the_room_is_refused() {
    let mut rig = Rig::new();
    let (a, a_address) = rig.allocated(ROOM, "a", udp(1));
    let (_, elsewhere) = rig.allocated(b"another room", "c", udp(3));
    let free_port = if a_address.port() == 50_000 { 50_001 } else { 50_000 };
    for peer in [
        "127.0.0.1:80".parse().unwrap(),
        "203.0.113.2:4000".parse().unwrap(),
        SocketAddr::new(a_address.ip(), free_port),
        SocketAddr::new(a_address.ip(), 0),
        SocketAddr::new("::ffff:192.0.2.1".parse().unwrap(), a_address.port()),
        SocketAddr::new("2001:db8::1".parse().unwrap(), a_address.port()),
        elsewhere,
    ] {
        assert_eq!(rig.say(&a, &Ask::Permission(vec![peer])).code(), 403, "{peer}");
        assert_eq!(rig.say(&a, &Ask::Bind(0x4001, peer)).code(), 403, "{peer}");
        assert!(rig.relay(&a, peer, b"x").is_none(), "{peer}");
    }
    assert_eq!(rig.core.stats.refused(RelayRefusal::Forbidden), 14);
    assert_eq!(rig.core.stats.relayed_packets, 0);
}

#[test]
fn rooms_do_not_reach_each_other_even_if_both_sides_permit_somebody() {
    let mut rig = Rig::new();
    let [(a, _), _] = rig.pair();
    let (c, c_address) = rig.allocated(b"another room", "c", udp(3));
    let (_, d_address) = rig.allocated(b"another room", "d", udp(4));
    rig.say(&c, &Ask::Permission(vec![d_address])).success();
    assert!(rig.relay(&a, c_address, b"x").is_none());
}

#[test]
fn a_refreshed_permission_may_name_a_peer_that_has_gone_but_no_stranger() {
    let mut rig = Rig::new();
    let [(a, _), (b, b_address)] = rig.pair();
    let (c, c_address) = rig.allocated(ROOM, "c", udp(3));
    rig.say(&c, &Ask::Refresh(Some(0))).success();
    rig.say(&a, &Ask::Permission(vec![c_address, b_address])).success();
    let stranger = "198.51.100.1:9".parse().unwrap();
    assert_eq!(rig.say(&a, &Ask::Permission(vec![b_address, stranger])).code(), 403);
    rig.say(&b, &Ask::Refresh(Some(0))).success();
    assert_eq!(rig.say(&a, &Ask::Permission(vec![c_address, b_address])).code(), 403);
    assert_eq!(rig.say(&a, &Ask::Permission(vec![])).code(), 400);
}

#[test]
fn families_do_not_mix() {
    let mut rig = Rig::new();
    let (a, _) = rig.allocated(ROOM, "a", udp(1));
    let b = rig.member(ROOM, "b", udp(2));
    let ipv6 = Ask::AllocateWith(vec![(0x0019, vec![17, 0, 0, 0]), (0x0017, vec![2, 0, 0, 0])]);
    let Success { relayed: Some(b_address), .. } = rig.say(&b, &ipv6).success() else { panic!("no address") };
    assert!(b_address.is_ipv6());
    assert_eq!(rig.say(&a, &Ask::Permission(vec![b_address])).code(), 443);
    assert_eq!(rig.say(&a, &Ask::Bind(0x4001, b_address)).code(), 443);
    assert!(rig.relay(&a, b_address, b"x").is_none());
}
