//! Two who meet at a nameplate, and those who guess.

use std::net::IpAddr;

use super::*;

const STRANGER: Origin = Origin::Address(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
const WINDOW: Duration = limits::CLAIM_WINDOW;

impl Rig {
    fn arrive(&mut self, origin: Origin) -> (ConnId, ResumeToken) {
        let conn = self.open_from(origin);
        self.say(conn, ClientMessage::Hello { v: 1, resume: None });
        match self.read(conn).as_slice() {
            [ServerMessage::Welcome { resume_token, .. }] => (conn, resume_token.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn code_open(&mut self, conn: ConnId) -> u32 {
        self.say(conn, ClientMessage::CodeOpen);
        match self.read(conn).as_slice() {
            [ServerMessage::Code { nameplate, ttl_s: 600 }] => *nameplate,
            other => panic!("{other:?}"),
        }
    }

    /// Someone with a code; its socket, resume token and nameplate.
    fn host(&mut self) -> (ConnId, ResumeToken, u32) {
        let (conn, token) = self.arrive(Origin::Exempt);
        let nameplate = self.code_open(conn);
        (conn, token, nameplate)
    }

    /// Claims on a socket that is in no place.
    fn claim(&mut self, conn: ConnId, nameplate: u32) -> Vec<ServerMessage> {
        self.say(conn, ClientMessage::CodeClaim { nameplate });
        self.read(conn)
    }

    /// A host and a guest who have met.
    fn met(&mut self) -> (Client, Client) {
        let (host, host_token, nameplate) = self.host();
        let (guest, guest_token) = self.arrive(Origin::Exempt);
        let told = self.claim(guest, nameplate);
        let [ServerMessage::CodeClaimed { me: guest_id, peer: host_id }] = told.as_slice() else { panic!("{told:?}") };
        let client = |conn, token, me: &MemberId| Client { conn, token, me: me.clone(), members: vec![] };
        let (host, guest) = (client(host, host_token, host_id), client(guest, guest_token, guest_id));
        assert_eq!(self.read(host.conn), [claimed(&host, &guest)]);
        (host, guest)
    }
}

fn claimed(me: &Client, peer: &Client) -> ServerMessage {
    ServerMessage::CodeClaimed { me: me.me.clone(), peer: peer.me.clone() }
}

fn left(who: &Client, reason: LeftReason) -> ServerMessage {
    ServerMessage::PeerLeft { id: who.me.clone(), reason }
}

const FAILED: [ServerMessage; 1] = [ServerMessage::CodeFailed];

#[test]
fn two_meet_at_a_nameplate_and_talk_as_in_a_room() {
    let mut rig = Rig::new();
    let (host, guest) = rig.met();
    rig.send(&host, &guest, 1);
    rig.send(&guest, &host, 1);
    assert_eq!(rig.read(guest.conn), [from(&host, 1)]);
    assert_eq!(rig.read(host.conn), [from(&guest, 1)]);
    rig.pass(Duration::from_secs(3600));
    rig.say(guest.conn, ClientMessage::Bye);
    assert_eq!(rig.read(host.conn), [left(&guest, LeftReason::Bye)]);
    rig.say(host.conn, ClientMessage::Bye);
    assert_eq!((rig.rooms.room_count(), rig.rooms.rendezvous.len()), (0, 0));
}

#[test]
fn a_nameplate_is_claimed_once_and_rests() {
    let mut rig = Rig::new();
    let (_, _, nameplate) = rig.host();
    let (guest, _) = rig.arrive(Origin::Exempt);
    assert!(matches!(rig.claim(guest, nameplate)[..], [ServerMessage::CodeClaimed { .. }]));
    let (late, _) = rig.arrive(Origin::Exempt);
    assert_eq!(rig.claim(late, nameplate), FAILED);
    let in_use: BTreeSet<u32> = (0..4).map(|_| rig.host().2).collect();
    assert!(!in_use.contains(&nameplate), "given out again at once");
    rig.pass(limits::NAMEPLATE_REST);
    let later: BTreeSet<u32> = (0..20).map(|_| rig.host().2).collect();
    assert!(in_use.is_disjoint(&later));
}

#[test]
fn unknown_used_expired_closed_and_throttled_are_one_answer() {
    let mut rig = Rig::new();
    let (expired, _, expired_plate) = rig.host();
    rig.pass(limits::CODE_TTL);
    assert_eq!(rig.read(expired), FAILED);
    let (closed, _, closed_plate) = rig.host();
    rig.say(closed, ClientMessage::CodeClose { met: false });
    let (guest, _) = rig.arrive(STRANGER);
    for nameplate in [0, 77, u32::MAX, expired_plate, closed_plate] {
        assert_eq!(rig.claim(guest, nameplate), FAILED);
    }
    let (_, _, open) = rig.host();
    for _ in 5..10 {
        assert_eq!(rig.claim(guest, 77), FAILED);
    }
    assert_eq!(rig.claim(guest, open), FAILED);
}

#[test]
fn ten_claims_per_address_are_looked_at_in_half_an_hour() {
    let mut rig = Rig::new();
    let hosts: Vec<_> = (0..12).map(|_| rig.host()).collect();
    let mut told = 0;
    for (host, _, nameplate) in &hosts {
        // Each on a socket of its own.
        let (guest, _) = rig.arrive(STRANGER);
        let answer = rig.claim(guest, *nameplate);
        let looked_at = matches!(answer[..], [ServerMessage::CodeClaimed { .. }]);
        assert!(looked_at || answer == FAILED, "{answer:?}");
        assert_eq!(looked_at, matches!(rig.read(*host)[..], [ServerMessage::CodeClaimed { .. }]));
        told += usize::from(looked_at);
    }
    assert_eq!(told, limits::CLAIMS_MAX);
    let (elsewhere, _) = rig.arrive(Origin::Address(IpAddr::from([192, 0, 2, 2])));
    assert!(matches!(rig.claim(elsewhere, hosts[11].2)[..], [ServerMessage::CodeClaimed { .. }]));

    rig.pass(WINDOW);
    let (_, _, nameplate) = rig.host();
    let (guest, _) = rig.arrive(STRANGER);
    assert!(matches!(rig.claim(guest, nameplate)[..], [ServerMessage::CodeClaimed { .. }]));
}

#[test]
fn a_claim_that_the_host_vouches_for_does_not_count() {
    let mut rig = Rig::new();
    for vouched in [true, false] {
        for _ in 0..=limits::CLAIMS_MAX {
            let (host, _, nameplate) = rig.host();
            let (guest, _) = rig.arrive(STRANGER);
            let answer = rig.claim(guest, nameplate);
            if vouched {
                assert!(matches!(answer[..], [ServerMessage::CodeClaimed { .. }]), "{answer:?}");
            }
            // A guest that vouches for itself is not believed.
            rig.say(guest, ClientMessage::CodeClose { met: true });
            rig.say(host, ClientMessage::CodeClose { met: vouched });
        }
    }
    let (_, _, nameplate) = rig.host();
    let (guest, _) = rig.arrive(STRANGER);
    assert_eq!(rig.claim(guest, nameplate), FAILED);
}

#[test]
fn who_is_exempt_counts_per_socket() {
    let mut rig = Rig::new();
    let (guest, _) = rig.arrive(Origin::Exempt);
    for _ in 0..limits::CLAIMS_MAX {
        assert_eq!(rig.claim(guest, 99), FAILED);
    }
    let (_, _, nameplate) = rig.host();
    assert_eq!(rig.claim(guest, nameplate), FAILED);
    let (other, _) = rig.arrive(Origin::Exempt);
    assert!(matches!(rig.claim(other, nameplate)[..], [ServerMessage::CodeClaimed { .. }]));
}

#[test]
fn after_a_code_the_socket_has_no_place_and_may_take_another() {
    let mut rig = Rig::new();
    let (host, guest) = rig.met();
    rig.say(host.conn, ClientMessage::CodeClose { met: true });
    assert_eq!(rig.read(guest.conn), [left(&host, LeftReason::Bye)]);
    rig.say(host.conn, ClientMessage::CodeClose { met: true });
    assert_eq!(rig.read(host.conn), []);
    for _ in 1..limits::CODES_PER_CONNECTION {
        rig.code_open(host.conn);
        rig.say(host.conn, ClientMessage::CodeClose { met: false });
    }
    rig.say(host.conn, ClientMessage::CodeOpen);
    assert_eq!(rig.read(host.conn), FAILED);
    rig.say(host.conn, ClientMessage::Join { room_id: ROOM });
    let told = rig.read(host.conn);
    let [ServerMessage::Joined { me, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_ne!(*me, host.me, "an id is new in every place");

    // The token of the first welcome still names the session.
    rig.cut(host.conn);
    let (back, token) = rig.hello(Some(host.token.clone()));
    assert_eq!(token, host.token);
    assert!(matches!(&rig.read(back)[..], [ServerMessage::Welcome { resumed: Some(_), .. }]));

    rig.say(guest.conn, ClientMessage::CodeClose { met: false });
    rig.pass(limits::JOIN_TIMEOUT);
    assert_eq!(rig.codes(guest.conn), [ErrorCode::JoinTimeout]);
}

#[test]
fn a_socket_in_a_place_asks_for_no_other() {
    let mut rig = Rig::new();
    let (host, _, nameplate) = rig.host();
    let member = rig.join(ROOM);
    for conn in [host, member.conn] {
        rig.say(conn, ClientMessage::CodeOpen);
        rig.say(conn, ClientMessage::CodeClaim { nameplate });
        rig.say(conn, ClientMessage::Join { room_id: ROOM });
        rig.say(conn, ClientMessage::Watch { contacts: vec![] });
        assert_eq!(rig.codes(conn), vec![ErrorCode::AlreadyJoined; 4]);
    }
    rig.say(member.conn, ClientMessage::CodeClose { met: false });
    assert_eq!(rig.codes(member.conn), [ErrorCode::AlreadyJoined]);
}

#[test]
fn a_host_that_resumes_is_told_where_things_stand() {
    let mut rig = Rig::new();
    let (host, token, nameplate) = rig.host();
    rig.pass(Duration::from_secs(100));
    rig.cut(host);
    let (host, _) = rig.hello(Some(token.clone()));
    assert_eq!(rig.read(host)[1..], [ServerMessage::Code { nameplate, ttl_s: 500 }]);

    // Someone claims and goes while the host has no socket: it is told of both.
    rig.cut(host);
    let (guesser, _) = rig.arrive(STRANGER);
    let told = rig.claim(guesser, nameplate);
    let [ServerMessage::CodeClaimed { me: guest, peer: me }] = told.as_slice() else { panic!("{told:?}") };
    rig.say(guesser, ClientMessage::Send { to: me.clone(), seq: 1, body: "AAAA".into() });
    rig.say(guesser, ClientMessage::Bye);
    let (host, _) = rig.hello(Some(token));
    let expected = [
        ServerMessage::CodeClaimed { me: me.clone(), peer: guest.clone() },
        ServerMessage::From { from: guest.clone(), seq: 1, body: "AAAA".into() },
        ServerMessage::PeerLeft { id: guest.clone(), reason: LeftReason::Gone },
    ];
    assert_eq!(rig.read(host)[1..], expected);
}

#[test]
fn a_code_ends_with_its_host() {
    let mut rig = Rig::new();
    let (gone, token, nameplate) = rig.host();
    rig.cut(gone);
    rig.pass(limits::RESUME_WINDOW);
    let (guest, _) = rig.arrive(Origin::Exempt);
    assert_eq!(rig.claim(guest, nameplate), FAILED);
    let (back, _) = rig.hello(Some(token));
    assert!(matches!(&rig.read(back)[..], [ServerMessage::Welcome { resumed: None, .. }]));

    // One that expires while its host has no socket.
    let (host, token, nameplate) = rig.host();
    rig.pass(limits::CODE_TTL - Duration::from_secs(1));
    rig.cut(host);
    rig.pass(Duration::from_secs(1));
    let (guest, _) = rig.arrive(Origin::Exempt);
    assert_eq!(rig.claim(guest, nameplate), FAILED);
    let (back, _) = rig.hello(Some(token));
    assert!(matches!(&rig.read(back)[..], [ServerMessage::Welcome { resumed: None, .. }]));
    rig.say(back, ClientMessage::Bye);
    rig.pass(limits::RESUME_WINDOW);
    assert_eq!((rig.rooms.room_count(), rig.rooms.member_count(), rig.rooms.rendezvous.len()), (0, 0, 0));
    assert_eq!(rig.rooms.next_timeout(), None);
}

#[test]
fn a_full_server_says_so_before_it_looks() {
    let mut rig = Rig::with(RoomsConfig { members_max: 1, ..RoomsConfig::default() });
    let (_, _, nameplate) = rig.host();
    let (other, _) = rig.arrive(Origin::Exempt);
    for message in
        [ClientMessage::CodeOpen, ClientMessage::CodeClaim { nameplate }, ClientMessage::CodeClaim { nameplate: 0 }]
    {
        rig.say(other, message);
        assert_eq!(rig.codes(other), [ErrorCode::ServerFull]);
    }
}
