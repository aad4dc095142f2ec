//! What those get who do not say who they are, or say it wrongly.

use super::*;

/// IP and UDP headers.
const HEADERS_V4: usize = 28;
const HEADERS_V6: usize = 48;

#[test]
fn a_binding_request_is_told_where_it_came_from() {
    let mut rig = Rig::new();
    for client in [udp(1), tcp(1), Client::datagram(0, "[2001:db8::7]:9".parse().unwrap())] {
        let (to, answer) = rig.hand(client, &messages::binding()).unwrap();
        assert!(to == client.id);
        assert_eq!(messages::read(&answer).success().mapped, Some(client.address));
    }
    let mapped = Client::datagram(0, "[::ffff:203.0.113.9]:9".parse().unwrap());
    let (_, answer) = rig.hand(mapped, &messages::binding()).unwrap();
    assert_eq!(messages::read(&answer).success().mapped, Some("203.0.113.9:9".parse().unwrap()));
}

#[test]
fn strangers_are_told_what_is_missing_and_get_little_more_than_they_gave() {
    let mut rig = Rig::new();
    let peer = "192.0.2.1:50000".parse().unwrap();
    let asks = [Ask::Allocate, Ask::Refresh(Some(600)), Ask::Permission(vec![peer]), Ask::Bind(0x4001, peer)];
    let mut requests: Vec<Vec<u8>> = asks.iter().map(|ask| messages::request(ask, None)).collect();
    for request in &requests {
        let (_, answer) = rig.hand(udp(1), request).unwrap();
        let Said::Refused { code: 401, nonce: Some(_), realm: Some(realm) } = messages::read(&answer) else {
            panic!("{:?}", messages::read(&answer))
        };
        assert_eq!(realm, "eyeline");
    }
    requests.push(messages::binding());
    requests.push(messages::request(&Ask::Refresh(None), None));
    for (client, headers) in
        [(udp(1), HEADERS_V4), (Client::datagram(0, "[2001:db8::7]:9".parse().unwrap()), HEADERS_V6)]
    {
        for request in &requests {
            let (_, answer) = rig.hand(client, request).unwrap();
            let (given, got) = (request.len() + headers, answer.len() + headers);
            // Whole packets, as an attacker would count them.
            assert!(2 * got <= 3 * given, "{got} bytes for {given}");
        }
    }
}

#[test]
fn who_asks_too_often_is_ignored() {
    let mut rig = Rig::with(RelayConfig { requests_per_s: 2, ..RelayConfig::default() });
    let answered = (0..100).filter(|_| rig.hand(udp(1), &messages::binding()).is_some()).count();
    assert_eq!(answered, 20);
    assert!(rig.hand(udp(2), &messages::binding()).is_some(), "others are not concerned");
    assert!(rig.hand(tcp(1), &messages::binding()).is_some(), "nor is who cannot have forged the address");
    assert_eq!((rig.core.stats.requests_of_strangers, rig.core.stats.strangers_ignored), (102, 80));
    rig.pass(1);
    assert!(rig.hand(udp(1), &messages::binding()).is_some());
}

#[test]
fn wrong_credentials_are_refused() {
    let mut rig = Rig::new();
    let good = rig.member(ROOM, "a", udp(1));
    let with = |change: fn(&mut Login)| {
        let mut member = good.clone();
        change(&mut member.login);
        member
    };
    for (member, code) in [
        (with(|login| login.password.push('x')), 401),
        (with(|login| login.user = "1999999999:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA".to_owned()), 401),
        (with(|login| login.user.insert(0, '9')), 401),
        (with(|login| login.user = "anybody".to_owned()), 401),
        (with(|login| login.nonce = "AAAAAAAAAAA".to_owned()), 438),
        (Member { client: udp(2), ..good.clone() }, 438),
    ] {
        let said = rig.say(&member, &Ask::Allocate);
        assert_eq!(said.code(), code, "{said:?}");
        let Said::Refused { nonce: Some(_), .. } = said else { panic!("no nonce to try again with") };
    }
    let other = Rig::with(RelayConfig { secret: Some("south".to_owned()), ..RelayConfig::default() }).core.issue(
        rig.now(),
        ROOM,
        "a",
    );
    let member = Member { login: Login { user: other.0, password: other.1, ..good.login.clone() }, ..good.clone() };
    assert_eq!(rig.say(&member, &Ask::Allocate).code(), 401);
    rig.say(&good, &Ask::Allocate).success();
}

#[test]
fn a_secret_that_is_shared_makes_the_same_credentials() {
    let config = RelayConfig { secret: Some("north".to_owned()), ..RelayConfig::default() };
    let (mut here, mut there) = (Rig::with(config.clone()), Rig::with(config));
    let now = there.now();
    let (user, password) = there.core.issue(now, ROOM, "a");
    let member = here.member(ROOM, "b", udp(1));
    let member = Member { login: Login { user, password, ..member.login }, ..member };
    here.say(&member, &Ask::Allocate).success();
}

#[test]
fn nonces_get_old() {
    let mut rig = Rig::with(RelayConfig { credential_ttl: Duration::from_secs(100_000), ..RelayConfig::default() });
    let member = rig.member(ROOM, "a", udp(1));
    rig.pass(3600);
    assert_eq!(rig.say(&member, &Ask::Allocate).code(), 438);
}

#[test]
fn what_is_not_there_is_refused_by_its_name() {
    let mut rig = Rig::new();
    let udp_transport = (0x0019, vec![17, 0, 0, 0]);
    let cases = [
        (vec![], 400),
        (vec![(0x0019, vec![6, 0, 0, 0])], 442),
        (vec![udp_transport.clone(), (0x0017, vec![9, 0, 0, 0])], 440),
        (vec![udp_transport.clone(), (0x0018, vec![0x80])], 508),
        (vec![udp_transport.clone(), (0x0022, vec![7; 8])], 508),
        (vec![udp_transport.clone(), (0x0022, vec![7; 8]), (0x0018, vec![0])], 400),
        (vec![udp_transport.clone(), (0x0017, vec![1, 0, 0, 0]), (0x8000, vec![2, 0, 0, 0])], 400),
        (vec![udp_transport.clone(), (0x0042, vec![1, 2, 3, 4])], 420),
    ];
    for (fields, code) in cases {
        let member = rig.member(ROOM, "a", udp(1));
        assert_eq!(rig.say(&member, &Ask::AllocateWith(fields.clone())).code(), code, "{fields:?}");
    }
    for (nth, fields) in (2..).zip([
        vec![udp_transport.clone(), (0x001a, vec![])],
        vec![udp_transport.clone(), (0x8000, vec![2, 0, 0, 0])],
        vec![udp_transport.clone(), (0x0018, vec![0])],
    ]) {
        let member = rig.member(ROOM, "a", udp(nth));
        let relayed = rig.say(&member, &Ask::AllocateWith(fields.clone())).success().relayed.unwrap();
        assert!(relayed.port().is_multiple_of(2) || fields[1].0 != 0x0018, "an even port was asked for");
    }
    let nobody = rig.member(ROOM, "b", udp(9));
    for ask in [Ask::Refresh(None), Ask::Permission(vec![]), Ask::Bind(0x4001, nobody.client.address)] {
        assert_eq!(rig.say(&nobody, &ask).code(), 437);
    }
}
