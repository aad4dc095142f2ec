//! The rooms against a virtual clock: what each client would see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use eyeline_protocol::{
    ClientMessage, ErrorCode, IceConfig, LeftReason, MemberId, ResumeToken, RoomId, ServerMessage, limits,
};

mod codes;
mod reach;
mod walk;

use super::{CloseReason, ConnId, IceFor, Origin, Output, Rooms, RoomsConfig};

const ROOM: RoomId = RoomId([1; 16]);

/// The rooms, a clock, and what was written to each socket.
struct Rig {
    now: Instant,
    rooms: Rooms,
    next_conn: u64,
    written: BTreeMap<ConnId, Vec<ServerMessage>>,
    closed: BTreeMap<ConnId, CloseReason>,
    /// Members of whom it was said that they left for good.
    left: Vec<MemberId>,
}

impl Rig {
    fn new() -> Self {
        Self::with(RoomsConfig::default())
    }

    fn with(config: RoomsConfig) -> Self {
        let rooms = Rooms::new(config, [7; 32]);
        Self {
            now: Instant::now(),
            rooms,
            next_conn: 1,
            written: BTreeMap::new(),
            closed: BTreeMap::new(),
            left: Vec::new(),
        }
    }

    fn open(&mut self) -> ConnId {
        self.open_from(Origin::Exempt)
    }

    fn open_from(&mut self, origin: Origin) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let mut entropy = [0; 32];
        for part in entropy.chunks_exact_mut(8) {
            part.copy_from_slice(&conn.0.to_be_bytes());
        }
        self.rooms.opened(self.now, conn, origin, entropy);
        conn
    }

    fn say(&mut self, conn: ConnId, message: ClientMessage) {
        self.rooms.handle(self.now, conn, message);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Send { conn, message, .. } => {
                    assert!(!self.closed.contains_key(&conn), "{message:?} after the close of {conn:?}");
                    self.written.entry(conn).or_default().push(message);
                }
                Output::Ice { conn, room, me, message } => {
                    let ice = IceConfig { user: format!("{me} in {room}"), ..IceConfig::default() };
                    let message = match message {
                        IceFor::Joined { members } => ServerMessage::Joined { me, members, ice },
                        IceFor::Refresh => ServerMessage::Ice { ice },
                    };
                    self.written.entry(conn).or_default().push(message);
                }
                Output::Left { member } => self.left.push(member),
                Output::Close { conn, why } => assert_eq!(self.closed.insert(conn, why), None, "closed twice"),
            }
        }
    }

    fn cut(&mut self, conn: ConnId) {
        self.rooms.closed(self.now, conn);
        self.drain();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.rooms.handle_timeout(self.now);
        self.drain();
    }

    /// What was written to a socket since last asked.
    fn read(&mut self, conn: ConnId) -> Vec<ServerMessage> {
        self.written.remove(&conn).unwrap_or_default()
    }

    fn codes(&mut self, conn: ConnId) -> Vec<ErrorCode> {
        let code = |message| match message {
            ServerMessage::Error { code, .. } => Some(code),
            _ => None,
        };
        self.read(conn).into_iter().filter_map(code).collect()
    }

    fn hello(&mut self, resume: Option<ResumeToken>) -> (ConnId, ResumeToken) {
        let conn = self.open();
        self.say(conn, ClientMessage::Hello { v: 1, resume });
        match &self.written[&conn][0] {
            ServerMessage::Welcome { resume_token, .. } => (conn, resume_token.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, room_id: RoomId) -> Client {
        let (conn, token) = self.hello(None);
        self.read(conn);
        self.say(conn, ClientMessage::Join { room_id });
        match self.read(conn).as_slice() {
            [ServerMessage::Joined { me, members, .. }] => {
                Client { conn, token, me: me.clone(), members: members.clone() }
            }
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, from: &Client, to: &Client, seq: u64) {
        self.say(from.conn, ClientMessage::Send { to: to.me.clone(), seq, body: format!("b{seq}") });
    }
}

struct Client {
    conn: ConnId,
    token: ResumeToken,
    me: MemberId,
    members: Vec<MemberId>,
}

fn from(client: &Client, seq: u64) -> ServerMessage {
    ServerMessage::From { from: client.me.clone(), seq, body: format!("b{seq}") }
}

#[test]
fn members_meet_talk_and_part() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    let b = rig.join(ROOM);
    let stranger = rig.join(RoomId([2; 16]));
    assert_eq!(a.members, []);
    assert_eq!(b.members, vec![a.me.clone()]);
    assert_eq!(rig.read(a.conn), [ServerMessage::PeerJoined { id: b.me.clone() }]);

    rig.send(&a, &b, 1);
    rig.send(&a, &b, 2);
    rig.send(&b, &a, 1);
    assert_eq!(rig.read(b.conn), [from(&a, 1), from(&a, 2)]);
    assert_eq!(rig.read(a.conn), [from(&b, 1)]);

    rig.say(b.conn, ClientMessage::Bye);
    assert_eq!(rig.closed[&b.conn], CloseReason::Bye);
    assert_eq!(rig.read(a.conn), [ServerMessage::PeerLeft { id: b.me.clone(), reason: LeftReason::Bye }]);
    rig.send(&a, &b, 3);
    rig.send(&a, &stranger, 1);
    let undeliverable = |to: &Client, seq| ServerMessage::Undeliverable { to: to.me.clone(), seq };
    assert_eq!(rig.read(a.conn), [undeliverable(&b, 3), undeliverable(&stranger, 1)]);
    assert_eq!(rig.read(stranger.conn), []);
}

#[test]
fn what_comes_at_the_wrong_time_is_refused() {
    let mut rig = Rig::new();
    let early = rig.open();
    rig.say(early, ClientMessage::Join { room_id: ROOM });
    assert_eq!(rig.codes(early), [ErrorCode::HelloExpected]);
    assert_eq!(rig.closed[&early], CloseReason::Policy);

    let old = rig.open();
    rig.say(old, ClientMessage::Hello { v: 2, resume: None });
    assert_eq!(rig.codes(old), [ErrorCode::BadVersion]);
    assert!(rig.closed.contains_key(&old));

    let a = rig.join(ROOM);
    let (conn, _) = rig.hello(None);
    rig.read(conn);
    rig.say(conn, ClientMessage::Send { to: a.me.clone(), seq: 1, body: String::new() });
    rig.say(conn, ClientMessage::Ack { from: a.me.clone(), seq: 1 });
    rig.say(conn, ClientMessage::Hello { v: 1, resume: None });
    rig.say(conn, ClientMessage::Join { room_id: ROOM });
    rig.say(conn, ClientMessage::Join { room_id: ROOM });
    let expected = [ErrorCode::NotJoined, ErrorCode::NotJoined, ErrorCode::HelloRepeated, ErrorCode::AlreadyJoined];
    assert_eq!(rig.codes(conn), expected);
    assert!(!rig.closed.contains_key(&conn));
    assert_eq!(rig.rooms.member_count(), 2);
}

#[test]
fn silence_after_opening_or_welcome_closes() {
    let mut rig = Rig::new();
    let silent = rig.open();
    let (welcomed, _) = rig.hello(None);
    let joined = rig.join(ROOM);
    rig.pass(limits::HELLO_TIMEOUT);
    assert_eq!(rig.codes(silent), [ErrorCode::HelloTimeout]);
    assert!(!rig.closed.contains_key(&welcomed));
    rig.pass(limits::JOIN_TIMEOUT - limits::HELLO_TIMEOUT);
    assert_eq!(rig.codes(welcomed), [ErrorCode::JoinTimeout]);
    rig.pass(Duration::from_secs(3600));
    assert!(!rig.closed.contains_key(&joined.conn));
    assert_eq!(rig.rooms.next_timeout(), None);
}

#[test]
fn a_room_and_a_server_can_be_full() {
    let mut rig = Rig::with(RoomsConfig { room_members: 2, members_max: 3, ..RoomsConfig::default() });
    rig.join(ROOM);
    let b = rig.join(ROOM);
    let (conn, _) = rig.hello(None);
    rig.read(conn);
    rig.say(conn, ClientMessage::Join { room_id: ROOM });
    assert_eq!(rig.codes(conn), [ErrorCode::RoomFull]);
    rig.say(b.conn, ClientMessage::Bye);
    rig.say(conn, ClientMessage::Join { room_id: ROOM });
    assert!(matches!(rig.read(conn)[..], [ServerMessage::Joined { .. }]));
    rig.join(RoomId([2; 16]));
    let (conn, _) = rig.hello(None);
    rig.read(conn);
    rig.say(conn, ClientMessage::Join { room_id: RoomId([3; 16]) });
    assert_eq!(rig.codes(conn), [ErrorCode::ServerFull]);
}

#[test]
fn a_broken_socket_resumes_with_what_it_missed_in_order() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    let b = rig.join(ROOM);
    let c = rig.join(ROOM);
    rig.send(&b, &a, 1);
    rig.send(&a, &b, 1);
    rig.send(&a, &b, 2);
    rig.say(b.conn, ClientMessage::Ack { from: a.me.clone(), seq: 1 });
    rig.cut(b.conn);
    rig.pass(limits::RESUME_WINDOW / 2);
    rig.send(&a, &b, 3);
    rig.send(&c, &b, 1);
    rig.send(&a, &b, 4);
    rig.say(c.conn, ClientMessage::Bye);
    rig.read(a.conn);

    let (conn, token) = rig.hello(Some(b.token.clone()));
    assert_eq!(token, b.token);
    let seen = rig.read(conn);
    let ServerMessage::Welcome { resumed: Some(resumed), .. } = &seen[0] else { panic!("{seen:?}") };
    assert_eq!((&resumed.me, &resumed.members), (&b.me, &vec![a.me.clone()]));
    assert_eq!(resumed.received, BTreeMap::from([(a.me.clone(), 1)]));
    assert_eq!(seen[1..], [from(&a, 2), from(&a, 3), from(&c, 1), from(&a, 4)]);
    assert_eq!(rig.read(a.conn), [], "the others notice nothing");

    rig.pass(limits::RESUME_WINDOW);
    assert_eq!(rig.rooms.member_count(), 2, "the window ended with the resume");
    let b = Client { conn, ..b };
    rig.send(&b, &a, 1);
    rig.send(&b, &a, 2);
    assert_eq!(rig.read(a.conn), [from(&b, 2)], "what had arrived is not taken twice");
}

#[test]
fn a_socket_that_stays_away_is_gone_after_the_window() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    let b = rig.join(ROOM);
    rig.read(a.conn);
    rig.cut(b.conn);
    rig.pass(limits::RESUME_WINDOW - Duration::from_millis(1));
    assert_eq!(rig.read(a.conn), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.read(a.conn), [ServerMessage::PeerLeft { id: b.me.clone(), reason: LeftReason::Gone }]);

    let (conn, token) = rig.hello(Some(b.token.clone()));
    assert!(matches!(&rig.read(conn)[..], [ServerMessage::Welcome { resumed: None, .. }]));
    assert_ne!(token, b.token);

    rig.cut(a.conn);
    rig.pass(limits::RESUME_WINDOW);
    assert_eq!((rig.rooms.room_count(), rig.rooms.member_count()), (0, 0));
}

#[test]
fn a_resume_takes_over_from_a_socket_that_looks_alive() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    let b = rig.join(ROOM);
    rig.read(a.conn);
    let (conn, _) = rig.hello(Some(b.token.clone()));
    assert_eq!(rig.codes(b.conn), [ErrorCode::Replaced]);
    assert_eq!(rig.closed[&b.conn], CloseReason::Policy);
    rig.cut(b.conn);
    rig.read(conn);
    rig.send(&a, &b, 1);
    assert_eq!(rig.read(conn), [from(&a, 1)]);
    assert_eq!(rig.read(a.conn), []);
}

#[test]
fn seq_counts_by_one_per_recipient() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    let b = rig.join(ROOM);
    let c = rig.join(ROOM);
    rig.read(a.conn);
    for seq in [0, 2, u64::MAX] {
        rig.send(&a, &b, seq);
    }
    assert_eq!(rig.codes(a.conn), vec![ErrorCode::BadSequence; 3]);
    rig.send(&a, &b, 1);
    rig.send(&a, &c, 1);
    rig.send(&a, &b, 1);
    rig.send(&a, &a, 1);
    assert_eq!(rig.read(a.conn), [ServerMessage::Undeliverable { to: a.me.clone(), seq: 1 }]);
    rig.read(b.conn);
    rig.send(&a, &b, 2);
    assert_eq!(rig.read(b.conn), [from(&a, 2)]);
}

#[test]
fn a_member_that_never_acknowledges_is_given_up() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    let b = rig.join(ROOM);
    let c = rig.join(ROOM);
    rig.cut(c.conn);
    let held = u64::try_from(limits::UNACKED_FRAMES_MAX).unwrap();
    for seq in 1..=held {
        rig.send(&a, &b, seq);
        rig.send(&a, &c, seq);
    }
    assert_eq!(rig.rooms.member_count(), 3);
    rig.read(a.conn);
    rig.send(&a, &b, held + 1);
    rig.send(&a, &c, held + 1);
    let gone = |who: &Client| ServerMessage::PeerLeft { id: who.me.clone(), reason: LeftReason::Gone };
    let undeliverable = |to: &Client| ServerMessage::Undeliverable { to: to.me.clone(), seq: held + 1 };
    assert_eq!(rig.read(a.conn), [undeliverable(&b), gone(&b), undeliverable(&c), gone(&c)]);
    assert_eq!(rig.codes(b.conn), [ErrorCode::Overflow]);
    assert_eq!(rig.rooms.member_count(), 1);
    assert_eq!(rig.rooms.next_timeout(), None, "no timer is left behind");
}

#[test]
fn draining_tells_and_closes_everyone() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    let (welcomed, _) = rig.hello(None);
    rig.read(welcomed);
    let greeting = rig.open();
    rig.rooms.drain(Duration::from_secs(1));
    rig.drain();
    for conn in [a.conn, welcomed, greeting] {
        assert!(matches!(rig.read(conn)[..], [ServerMessage::GoingAway { retry_after_ms: 1000..2000 }]));
        assert_eq!(rig.closed[&conn], CloseReason::GoingAway);
    }
}

#[test]
fn ice_is_renewed_in_a_room_only_and_ends_with_the_member() {
    let mut rig = Rig::new();
    let a = rig.join(ROOM);
    rig.say(a.conn, ClientMessage::IceRefresh);
    let ice = IceConfig { user: format!("{} in {ROOM}", a.me), ..IceConfig::default() };
    assert_eq!(rig.read(a.conn), [ServerMessage::Ice { ice }]);

    let (conn, _) = rig.hello(None);
    rig.read(conn);
    rig.say(conn, ClientMessage::IceRefresh);
    let told = rig.read(conn);
    let [ServerMessage::Error { code: ErrorCode::NotJoined, .. }] = told.as_slice() else { panic!("{told:?}") };

    rig.cut(a.conn);
    assert_eq!(rig.left, []);
    rig.pass(limits::RESUME_WINDOW);
    assert_eq!(rig.left, [a.me]);
}

/// A small generator of repeatable choices (xorshift64; Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}

/// A client that behaves, as the server's rules want it, over any number of sockets.
struct Walker {
    client: Client,
    sent: BTreeMap<MemberId, u64>,
    seen: BTreeMap<MemberId, u64>,
    attached: bool,
}

impl Walker {
    /// Takes in what was written; every letter must be the next of its sender, or one seen before.
    fn take(&mut self, messages: Vec<ServerMessage>) {
        for message in messages {
            if let ServerMessage::From { from, seq, .. } = message {
                let seen = self.seen.entry(from).or_insert(0);
                assert!(seq <= *seen + 1, "a letter is missing: {seq} after {seen}");
                *seen = (*seen).max(seq);
            }
        }
    }
}

#[test]
fn whatever_happens_nothing_is_lost_doubled_or_leaked() {
    for seed in 1..=40_u64 {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ seed);
        let mut rig = Rig::new();
        let mut walkers: Vec<Walker> = Vec::new();
        for _ in 0..400 {
            step(&mut rig, &mut dice, &mut walkers);
            check(&mut rig, &mut dice, &mut walkers);
        }
        settle(&mut rig, &mut walkers);
    }
}

fn step(rig: &mut Rig, dice: &mut Dice, walkers: &mut Vec<Walker>) {
    let room_id = RoomId([u8::try_from(dice.roll(2)).unwrap(); 16]);
    if walkers.len() < 2 || (walkers.len() < 6 && dice.roll(10) == 0) {
        let client = rig.join(room_id);
        walkers.push(Walker { client, sent: BTreeMap::new(), seen: BTreeMap::new(), attached: true });
        return;
    }
    let to = dice.pick(walkers).client.me.clone();
    let at = usize::try_from(dice.roll(walkers.len() as u64)).unwrap();
    let walker = &mut walkers[at];
    let conn = walker.client.conn;
    match (dice.roll(12), walker.attached) {
        (0, true) => {
            rig.cut(conn);
            rig.read(conn); // what was on its way is lost
            walker.attached = false;
        }
        (1, true) if dice.roll(4) == 0 => {
            rig.say(conn, ClientMessage::Bye);
            walkers.remove(at);
        }
        (2..=3, true) => {
            for (from, seq) in walker.seen.clone() {
                rig.say(conn, ClientMessage::Ack { from, seq });
            }
        }
        (4, _) => rig.pass(Duration::from_secs(dice.roll(40))),
        (_, true) => {
            let seq = walker.sent.get(&to).unwrap_or(&0) + 1;
            rig.say(conn, ClientMessage::Send { to: to.clone(), seq, body: format!("b{seq}") });
            let answer = rig.read(conn);
            if !answer.iter().any(|message| matches!(message, ServerMessage::Undeliverable { .. })) {
                walker.sent.insert(to, seq);
            }
            walker.take(answer);
        }
        (_, false) => {
            let (conn, _) = rig.hello(Some(walker.client.token.clone()));
            walker.client.conn = conn;
            walker.attached = true;
        }
    }
}

fn check(rig: &mut Rig, dice: &mut Dice, walkers: &mut Vec<Walker>) {
    for walker in walkers.iter_mut() {
        if dice.roll(2) == 0 {
            walker.take(rig.read(walker.client.conn));
        }
    }
    // Who stayed away too long starts anew (here: is forgotten).
    let members: BTreeSet<_> = rig.rooms.by_token.values().map(|place| place.member.clone()).collect();
    walkers.retain(|walker| members.contains(&walker.client.me));
    assert_eq!(rig.rooms.member_count(), walkers.len());
    let in_rooms: usize = rig.rooms.rooms.values().map(BTreeMap::len).sum();
    assert_eq!(in_rooms, walkers.len());
    assert!(rig.rooms.rooms.values().all(|room| !room.is_empty()));
}

fn settle(rig: &mut Rig, walkers: &mut Vec<Walker>) {
    for walker in walkers.iter_mut() {
        if !walker.attached {
            walker.client.conn = rig.hello(Some(walker.client.token.clone())).0;
        }
        walker.take(rig.read(walker.client.conn));
    }
    for sender in walkers.iter() {
        for (to, sent) in &sender.sent {
            if let Some(recipient) = walkers.iter().find(|walker| walker.client.me == *to) {
                assert_eq!(recipient.seen.get(&sender.client.me), Some(sent), "every letter arrived");
            }
        }
    }
    for walker in walkers.drain(..) {
        rig.say(walker.client.conn, ClientMessage::Bye);
    }
    assert_eq!((rig.rooms.room_count(), rig.rooms.member_count(), rig.rooms.next_timeout()), (0, 0, None));
    assert!(rig.rooms.conns.is_empty());
}
