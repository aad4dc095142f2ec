//! Anything at all, in any order: one call with junk and with real messages, two calls over a network that does what it wants.
//! Nothing panics, and what the rig asserts after every input holds.
//!
//! `EYELINE_PROPTEST_CASES` is how many sequences each test tries; the default keeps all of this to some seconds.

mod rig;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use eyeline_call::{ContactMessage, Input, RtcInput, SocketInput, State};
use eyeline_protocol::inner::{ContactCard, SessionId};
use eyeline_protocol::{
    ErrorCode, IceConfig, InboxId, LeftReason, MemberId, ResumeToken, Resumed, RingId, RingRef, RingToken,
    ServerMessage, wire,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::rig::codes::{CodeDesk, GUEST, HOST};
use crate::rig::rings::{End, RingDesk, access, ring_offer, ring_to};
use crate::rig::{Delivery, Who, World, describe};

/// Inputs of one sequence.
const STEPS: usize = 100;

fn cases() -> u32 {
    std::env::var("EYELINE_PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150)
}

/// The same sequences every time, so that a failure comes again.
fn run<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, test: impl Fn(T)) {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&strategy, |value| {
            test(value);
            Ok(())
        })
        .expect("holds for every sequence");
}

fn member() -> impl Strategy<Value = MemberId> {
    // The rig's ids are of this form, so some hit.
    (0..12_u32).prop_map(|number| MemberId::new(format!("m{:03}", (number * 383) % 1000)).expect("short"))
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_-]{0,40}",
        // Every kind, with a payload of the right length or not.
        (0..12_u8, prop_oneof![Just(353_usize), Just(305), Just(273), 0..600_usize], any::<u8>()).prop_map(
            |(kind, length, fill)| {
                use base64::Engine as _;
                let mut bytes = vec![fill; length.max(1)];
                bytes[0] = kind;
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
            }
        ),
    ]
}

fn ice() -> impl Strategy<Value = IceConfig> {
    let urls = prop_oneof![Just(vec![]), Just(vec!["turn:t".to_owned()]), Just(vec!["stun:s".to_owned()])];
    (urls, prop_oneof![Just(""), Just("u")], prop_oneof![0..400_u32, any::<u32>()])
        .prop_map(|(urls, user, ttl_s)| IceConfig { urls, user: user.to_owned(), cred: String::new(), ttl_s })
}

fn resumed() -> impl Strategy<Value = Option<Resumed>> {
    let members = prop::collection::vec(member(), 0..3);
    let received = prop::collection::btree_map(member(), any::<u64>(), 0..3);
    prop::option::of((member(), members, received).prop_map(|(me, members, received)| Resumed {
        me,
        members,
        received,
    }))
}

fn code() -> impl Strategy<Value = ErrorCode> {
    prop::sample::select(vec![ErrorCode::RoomFull, ErrorCode::Replaced, ErrorCode::NotJoined, ErrorCode::RateLimited])
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    let ring_id = || RingId::new("r").expect("short");
    let ring_ref = || RingRef::new("r").expect("short");
    prop_oneof![
        3 => resumed().prop_map(|resumed| ServerMessage::Welcome {
            conn: "c".into(),
            resume_token: ResumeToken::new("t").expect("short"),
            resumed,
            features: vec![],
            heartbeat_s: 20,
            limits: Default::default(),
        }),
        3 => (member(), prop::collection::vec(member(), 0..4), ice())
            .prop_map(|(me, members, ice)| ServerMessage::Joined { me, members, ice }),
        1 => ice().prop_map(|ice| ServerMessage::Ice { ice }),
        1 => member().prop_map(|id| ServerMessage::PeerJoined { id }),
        1 => member().prop_map(|id| ServerMessage::PeerLeft { id, reason: LeftReason::Gone }),
        1 => (member(), any::<u64>()).prop_map(|(to, seq)| ServerMessage::Undeliverable { to, seq }),
        6 => (member(), prop_oneof![0..5_u64, any::<u64>()], body())
            .prop_map(|(from, seq, body)| ServerMessage::From { from, seq, body }),
        1 => (code(), prop::option::of(any::<u64>())).prop_map(|(code, retry_after_ms)| ServerMessage::Error {
            code,
            message: String::new(),
            retry_after_ms
        }),
        1 => any::<u64>().prop_map(|retry_after_ms| ServerMessage::GoingAway { retry_after_ms }),
        1 => (0..50_u32, any::<u32>()).prop_map(|(nameplate, ttl_s)| ServerMessage::Code { nameplate, ttl_s }),
        1 => (member(), member()).prop_map(|(me, peer)| ServerMessage::CodeClaimed { me, peer }),
        1 => Just(ServerMessage::CodeFailed),
        1 => Just(ServerMessage::InboxOpened),
        1 => Just(ServerMessage::InboxTaken),
        1 => body().prop_map(move |body| ServerMessage::Ring { ring_ref: ring_ref(), body }),
        1 => body().prop_map(move |body| ServerMessage::RingReply { ring_id: ring_id(), body }),
    ]
}

fn socket_input() -> impl Strategy<Value = Vec<u8>> {
    // Frames as bytes, so that failing sequences can be shown: 0 opens, 1 closes.
    prop_oneof![
        2 => Just(vec![0]),
        1 => Just(vec![1]),
        8 => server_message().prop_map(|message| wire::encode(&message).into_bytes()),
        1 => "\\PC{0,60}".prop_map(String::into_bytes),
    ]
}

fn socket(bytes: Vec<u8>) -> SocketInput {
    match bytes[..] {
        [0] => SocketInput::Opened,
        [1] | [] => SocketInput::Closed,
        _ => SocketInput::Frame(String::from_utf8(bytes).expect("was text")),
    }
}

/// What happens to a call that a real driver could not do better than by accident.
#[derive(Clone, Debug)]
enum Junk {
    Socket(Vec<u8>),
    Rtc(u8, u8),
    Accept,
    HangUp,
    Contact,
    Network,
    Pass(u64),
}

fn junk() -> impl Strategy<Value = Junk> {
    prop_oneof![
        60 => socket_input().prop_map(Junk::Socket),
        20 => (0..12_u8, any::<u8>()).prop_map(|(kind, fill)| Junk::Rtc(kind, fill)),
        5 => Just(Junk::Accept),
        1 => Just(Junk::HangUp),
        2 => Just(Junk::Contact),
        2 => Just(Junk::Network),
        10 => (0..40_000_u64).prop_map(Junk::Pass),
    ]
}

fn rtc_input(kind: u8, fill: u8) -> RtcInput {
    let sdp = if fill.is_multiple_of(4) { "junk".to_owned() } else { describe("active", "junk0", &[fill; 32]) };
    match kind {
        0 => RtcInput::Offer(sdp),
        1 => RtcInput::Answer(sdp),
        2 => RtcInput::Candidate("{}".to_owned()),
        3 => RtcInput::CandidatesDone,
        4 => RtcInput::Connected { certificate: fill.is_multiple_of(2).then_some([fill; 32]) },
        5 => RtcInput::ControlOpen,
        6 => RtcInput::Bind([fill; 32]),
        7 => RtcInput::Disconnected,
        8 => RtcInput::Failed,
        9 => RtcInput::RemoteBye,
        10 => RtcInput::BetterPath,
        _ => RtcInput::Error,
    }
}

fn contact() -> Input {
    let card = ContactCard { server: String::new(), inbox_id: InboxId([1; 16]), ring_token: RingToken([1; 16]) };
    Input::Contact(ContactMessage::Request(card))
}

fn apply(world: &mut World, index: usize, junk: Junk) {
    match junk {
        Junk::Socket(bytes) => world.input(index, Input::Socket(socket(bytes))),
        Junk::Rtc(kind, fill) => {
            let current = world.callers[index].pcs.keys().next().cloned();
            let session = current.filter(|_| fill < 250).unwrap_or_else(|| SessionId::from_random(1));
            world.rtc_input(index, &session, rtc_input(kind, fill));
        }
        Junk::Accept => world.input(index, Input::Accept),
        Junk::HangUp => world.input(index, Input::HangUp),
        Junk::Contact => world.input(index, contact()),
        Junk::Network => world.input(index, Input::NetworkChanged),
        Junk::Pass(ms) => world.run(Duration::from_millis(ms)),
    }
}

#[test]
fn one_call_survives_anything() {
    let steps = prop::collection::vec(junk(), STEPS);
    let connections = Cell::new(0);
    run((any::<[bool; 4]>(), steps), |([accepted, relay_only, pinned, silent], steps)| {
        // In the room is a member that is not there, or the rig's own server says nothing and only the junk does.
        let mut world = World::new(1);
        world.evil = Some(Box::new(move |mut delivery| {
            if let ServerMessage::Joined { members, .. } = &mut delivery.message {
                members.push(MemberId::new("m383").expect("short"));
            }
            if silent { vec![] } else { vec![delivery] }
        }));
        world.add(Who { accepted, relay_only, pinned: pinned.then_some(2), ..Who::device(1) });
        for step in steps {
            apply(&mut world, 0, step);
        }
        assert_eq!(world.callers[0].media_opened, 0, "nobody was there");
        connections.set(connections.get() + world.callers[0].opened);
    });
    println!("connections that were begun: {}", connections.get());
    assert!(connections.get() > 0, "junk that leads nowhere shows nothing");
}

/// What happens to two calls that would like to meet.
#[derive(Clone, Debug)]
enum Trouble {
    Pass(u64),
    Junk(usize, Junk),
    BreakSocket(usize),
    StopServer(bool),
    StartServer,
    Udp(bool),
    Replay(usize, usize),
    HangUp(usize),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let who = 0..2_usize;
    prop_oneof![
        40 => (0..3000_u64).prop_map(Trouble::Pass),
        20 => (who.clone(), junk()).prop_map(|(who, junk)| Trouble::Junk(who, junk)),
        10 => (who.clone(), any::<usize>()).prop_map(|(who, at)| Trouble::Replay(who, at)),
        4 => who.clone().prop_map(Trouble::BreakSocket),
        2 => any::<bool>().prop_map(Trouble::StopServer),
        6 => Just(Trouble::StartServer),
        6 => any::<bool>().prop_map(Trouble::Udp),
        1 => who.prop_map(Trouble::HangUp),
    ]
}

/// What the network does with the next message: loses it, says it twice, delays it, or alters it.
fn network(fates: Vec<u8>, tape: Rc<RefCell<Vec<ServerMessage>>>) -> impl FnMut(Delivery) -> Vec<Delivery> {
    let at = Cell::new(0);
    move |mut delivery| {
        at.set(at.get() + 1);
        let mut tape = tape.borrow_mut();
        if tape.len() < 500 {
            tape.push(delivery.message.clone());
        }
        let copy = |delivery: &Delivery, times: u32| Delivery {
            to: delivery.to,
            after: delivery.after * times,
            message: delivery.message.clone(),
        };
        match fates[at.get() % fates.len()] {
            0..=4 => vec![],
            5..=12 => vec![copy(&delivery, 3), delivery],
            13..=20 => vec![copy(&delivery, 40)],
            21..=24 => {
                if let ServerMessage::From { body, .. } = &mut delivery.message {
                    *body = body.replace('A', "B");
                }
                vec![delivery]
            }
            _ => vec![delivery],
        }
    }
}

#[test]
fn two_calls_survive_a_network_that_does_what_it_wants() {
    let steps = prop::collection::vec(trouble(), STEPS);
    let fates = prop::collection::vec(any::<u8>(), 64);
    let calls = Cell::new(0);
    run((any::<u64>(), any::<bool>(), fates, steps), |(seed, kind, fates, steps)| {
        let tape: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
        let mut world = World::new(seed);
        world.evil = kind.then(|| Box::new(network(fates, Rc::clone(&tape))) as rig::Evil);
        world.add(Who::device(1));
        world.run(Duration::from_millis(seed % 300));
        world.add(Who::device(2));
        for step in steps {
            match step {
                Trouble::Pass(ms) => world.run(Duration::from_millis(ms)),
                // Of junk only what a lying server or a confused driver can do: the user hangs up rarely enough as it is.
                Trouble::Junk(_, Junk::HangUp) => {}
                Trouble::Junk(who, junk) => apply(&mut world, who, junk),
                Trouble::Replay(who, at) => {
                    let message = {
                        let tape = tape.borrow();
                        tape.get(at % tape.len().max(1)).cloned()
                    };
                    if let Some(message) = message {
                        world.forge(who, &message);
                    }
                }
                Trouble::BreakSocket(who) => world.break_socket(who, true),
                Trouble::StopServer(forget) => world.stop_server(forget),
                Trouble::StartServer => world.server_up = true,
                Trouble::Udp(up) if up == world.udp_up => {}
                Trouble::Udp(true) => world.udp_up = true,
                Trouble::Udp(false) => world.block_udp(&[0, 1]),
                Trouble::HangUp(who) => world.input(who, Input::HangUp),
            }
        }
        calls.set(calls.get() + world.callers[0].media_opened);
        // And when all is well again, nobody is stuck for good.
        world.evil = None;
        world.server_up = true;
        world.udp_up = true;
        world.run(Duration::from_secs(150));
        for index in [0, 1] {
            let state = world.state(index);
            let stuck = matches!(state, State::Joining | State::Connecting);
            assert!(!stuck, "{index} is stuck in {state:?}");
        }
    });
    println!("calls that came about: {}", calls.get());
    assert!(calls.get() > 0, "trouble so great that nobody ever meets shows nothing");
}

#[test]
fn codes_survive_anything() {
    let step = (0..3_usize, socket_input(), 0..30_000_u64);
    run(prop::collection::vec(step, STEPS), |steps| {
        let mut desk = CodeDesk::new();
        let code = desk.code();
        desk.evil = Some(Box::new(|to, message| if to == HOST { vec![] } else { vec![(to, message)] }));
        desk.claim(&code);
        for (who, bytes, ms) in steps {
            match who {
                0 => desk.raw(HOST, socket(bytes)),
                1 => desk.raw(GUEST, socket(bytes)),
                _ => desk.pass(Duration::from_millis(ms)),
            }
        }
        assert!(desk.offer.wrong_tries() <= 3);
    });
}

#[test]
fn rings_survive_anything() {
    let step = (0..3_usize, socket_input(), 0..30_000_u64);
    run(prop::collection::vec(step, STEPS), |steps| {
        let mut desk = RingDesk::new();
        desk.reach(2, access(&[1]));
        desk.ring(1, &ring_to(2), &ring_offer(1));
        for (who, bytes, ms) in steps {
            match who {
                0 => desk.raw(End::Out(0), socket(bytes)),
                1 => desk.raw(End::Callee(0), socket(bytes)),
                _ => desk.pass(Duration::from_millis(ms)),
            }
        }
        assert!(desk.callees[0].ringing.len() <= 8);
    });
}
