//! Model checking: every order in which things can happen to two real calls, up to a depth, with a server that loses, copies
//! and reorders, and with a hostile peer that has the link.
//!
//! A call has keys inside and cannot be copied, so a state of a model is the list of what happened: to look at it, the calls
//! are made anew with the same random values and go the same way. Two states are the same if both calls, their peer
//! connections and the messages under way look the same.
//!
//! What must hold in every state is asserted by the rig (`World::check`) and by [`look`].

mod rig;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_call::{Fingerprint, Input, RtcInput, State};
use eyeline_protocol::inner::{Inner, SessionId};
use eyeline_protocol::{MemberId, ServerMessage};
use eyeline_seal::BindRole;
use stateright::{Checker, Model, Property};

use crate::rig::puppet::Puppet;
use crate::rig::{Delivery, PUPPETS, Who, World, describe};

const MALLORY: Fingerprint = [0x3a; 32];

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The message at this place of those under way arrives.
    Deliver(usize),
    /// It is lost.
    Drop(usize),
    /// It arrives, and will arrive again.
    Copy(usize),
    /// The clock moves to the next timer.
    Tick,
    Accept(usize),
    HangUp(usize),
    /// A caller's socket breaks; it comes again with the next ticks.
    BreakSocket(usize),
    /// The server restarts without its memory.
    RestartServer,
    /// Media packets stop, and both notice; or pass again.
    Udp(bool),
    Mallory(Evil, usize),
}

/// What the hostile peer says to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Evil {
    Offer,
    AnswerTheirs,
    CandidateTheirs,
    ByeTheirs,
    BusyTheirs,
    MovedTheirs,
    RestartTheirs,
    /// The connection to it is up, with its certificate or another one.
    Connect(bool),
    /// Its proof, or another.
    Bind(bool),
}

impl Evil {
    /// Whether the caller has what this is about; otherwise it is ignored, and would only make the model larger.
    fn fits(self, world: &World, to: usize) -> bool {
        let own = world.callers[to].pcs.contains_key(&own_session());
        match self {
            Self::Offer => !own,
            Self::Connect(_) | Self::Bind(_) => own,
            Self::AnswerTheirs
            | Self::CandidateTheirs
            | Self::ByeTheirs
            | Self::BusyTheirs
            | Self::MovedTheirs
            | Self::RestartTheirs => !own && !world.callers[to].pcs.is_empty(),
        }
    }
}

/// What may happen in a model, and how often.
#[derive(Clone, Copy)]
struct Freedoms {
    name: &'static str,
    /// Any message may be the next one, not only the oldest to its receiver.
    reorder: bool,
    drops: usize,
    copies: usize,
    ticks: usize,
    hang_ups: usize,
    breaks: usize,
    restarts: usize,
    outages: usize,
    evil: usize,
    /// As after a ring: the second caller has not accepted yet, both are pinned.
    ring: bool,
    /// The second caller never comes.
    alone: bool,
    depth: usize,
}

const NOTHING: Freedoms = Freedoms {
    name: "",
    reorder: false,
    drops: 0,
    copies: 0,
    ticks: 0,
    hang_ups: 0,
    breaks: 0,
    restarts: 0,
    outages: 0,
    evil: 0,
    ring: false,
    alone: false,
    depth: 0,
};

/// Messages that the server holds.
#[derive(Default)]
struct Held {
    pool: Vec<(usize, ServerMessage)>,
    pass: bool,
}

struct Scene {
    world: World,
    held: Rc<RefCell<Held>>,
    mallory: Option<Puppet>,
    victims: [Option<MemberId>; 2],
    delivered: BTreeMap<(usize, MemberId), u64>,
}

fn own_session() -> SessionId {
    SessionId::from_random(0xa77)
}

impl Scene {
    fn new(freedoms: &Freedoms) -> Self {
        let held = Rc::new(RefCell::new(Held::default()));
        let holding = Rc::clone(&held);
        let mut world = World::new(1);
        world.latency = Duration::ZERO;
        world.pc_time = Duration::ZERO;
        world.evil = Some(Box::new(move |delivery: Delivery| {
            let mut held = holding.borrow_mut();
            let body = matches!(delivery.message, ServerMessage::From { .. });
            if held.pass || !body || delivery.to >= PUPPETS {
                return vec![delivery];
            }
            held.pool.push((delivery.to, delivery.message));
            vec![]
        }));
        let pin = |other| freedoms.ring.then_some(other);
        world.add(Who { pinned: pin(2), ..Who::device(1) });
        world.run(Duration::ZERO);
        let mut scene = Self { world, held, mallory: None, victims: [None, None], delivered: BTreeMap::new() };
        if freedoms.evil > 0 {
            scene.mallory = Some(Puppet::join(&mut scene.world, 9, 5));
            for _ in 0..3 {
                scene.flush();
                scene.pump_mallory();
            }
        }
        scene.world.add(Who { pinned: pin(1), accepted: !freedoms.ring && !freedoms.alone, ..Who::device(2) });
        scene.world.run(Duration::ZERO);
        scene.victims[0] = Some(scene.world.member_id(0));
        if !freedoms.ring && !freedoms.alone {
            scene.victims[1] = Some(scene.world.member_id(1));
        }
        scene.pump_mallory();
        scene
    }

    fn pump_mallory(&mut self) {
        if let Some(mallory) = &mut self.mallory {
            mallory.pump(&mut self.world);
            self.world.run(Duration::ZERO);
        }
    }

    /// Everything under way arrives, in order.
    fn flush(&mut self) {
        loop {
            let next = { self.held.borrow_mut().pool.drain(..).collect::<Vec<_>>() };
            if next.is_empty() {
                return;
            }
            for (to, message) in next {
                self.arrive(to, &message);
            }
        }
    }

    fn arrive(&mut self, to: usize, message: &ServerMessage) {
        if let ServerMessage::From { from, seq, .. } = message {
            let highest = self.delivered.entry((to, from.clone())).or_default();
            *highest = (*highest).max(*seq);
        }
        // What is sent to a socket that is gone is lost; an honest server says it again after the resume.
        if self.world.callers[to].socket_open {
            self.world.forge(to, message);
        }
        self.world.run(Duration::ZERO);
        self.pump_mallory();
    }

    fn take(&mut self, at: usize) -> (usize, ServerMessage) {
        self.held.borrow_mut().pool.remove(at)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Deliver(at) => {
                let (to, message) = self.take(at);
                self.arrive(to, &message);
            }
            Step::Copy(at) => {
                let (to, message) = self.take(at);
                self.held.borrow_mut().pool.push((to, message.clone()));
                self.arrive(to, &message);
            }
            Step::Drop(at) => drop(self.take(at)),
            Step::Tick => self.world.tick(),
            Step::Accept(index) => self.world.input(index, Input::Accept),
            Step::HangUp(index) => self.world.input(index, Input::HangUp),
            Step::BreakSocket(index) => {
                self.held.borrow_mut().pool.retain(|(to, _)| *to != index);
                self.world.break_socket(index, true);
            }
            Step::RestartServer => {
                self.held.borrow_mut().pool.clear();
                self.world.stop_server(true);
                self.world.server_up = true;
            }
            Step::Udp(false) => self.world.block_udp(&[0, 1]),
            Step::Udp(true) => self.world.udp_up = true,
            Step::Mallory(evil, to) => self.evil(evil, to),
        }
        self.world.run(Duration::ZERO);
        self.pump_mallory();
    }

    fn evil(&mut self, evil: Evil, to: usize) {
        let own = own_session();
        match evil {
            Evil::Connect(right) => {
                let certificate = Some(if right { MALLORY } else { [0x66; 32] });
                self.world.rtc_input(to, &own, RtcInput::Connected { certificate });
                return self.world.rtc_input(to, &own, RtcInput::ControlOpen);
            }
            Evil::Bind(right) => {
                let fingerprint = self.world.callers[to].pcs.get(&own).map(|pc| pc.fingerprint);
                let (Some(fingerprint), Some(victim), Some(mallory)) = (fingerprint, &self.victims[to], &self.mallory)
                else {
                    return;
                };
                let Some(session) = mallory.sessions.get(victim) else { return };
                let proof = session.bind_mac(BindRole::Offerer, &MALLORY, &fingerprint);
                let proof = if right { proof } else { [0x66; 32] };
                return self.world.rtc_input(to, &own, RtcInput::Bind(proof));
            }
            _ => {}
        }
        let theirs =
            self.world.callers.iter().find_map(|caller| caller.pcs.keys().next().cloned()).unwrap_or(own.clone());
        let sdp = |setup| describe(setup, "mall0", &MALLORY);
        let candidate = r#"{"candidate":"candidate:1 1 udp 1 192.0.2.66 5 typ host","usernameFragment":"mall0"}"#;
        let inner = match evil {
            Evil::Offer => Inner::Offer { session: own, epoch: 0, sdp: sdp("actpass") },
            Evil::AnswerTheirs => Inner::Answer { session: theirs, epoch: 0, sdp: sdp("active") },
            Evil::CandidateTheirs => Inner::Candidate { session: theirs, epoch: 0, candidate: candidate.to_owned() },
            Evil::ByeTheirs => Inner::Bye { session: theirs },
            Evil::BusyTheirs => Inner::Busy { session: theirs },
            Evil::MovedTheirs => Inner::Moved { session: theirs, reply: false },
            Evil::RestartTheirs => Inner::Restart { session: theirs },
            Evil::Connect(_) | Evil::Bind(_) => return,
        };
        let (Some(victim), Some(mallory)) = (self.victims[to].clone(), &mut self.mallory) else { return };
        if mallory.sessions.contains_key(&victim) {
            mallory.say(&mut self.world, &victim, &inner);
            self.world.run(Duration::ZERO);
        }
    }

    /// What tells two states apart.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for caller in &self.world.callers {
            format!("{:?}", caller.call).hash(&mut hasher);
            caller.media.hash(&mut hasher);
            for pc in caller.pcs.values() {
                pc.shown().hash(&mut hasher);
            }
        }
        for (to, message) in &self.held.borrow().pool {
            (to, format!("{message:?}")).hash(&mut hasher);
        }
        self.delivered.hash(&mut hasher);
        self.world.now.hash(&mut hasher);
        (self.world.udp_up, self.mallory.as_ref().map(|mallory| mallory.heard.len())).hash(&mut hasher);
        hasher.finish()
    }

    /// From now on all goes well.
    fn honest(&mut self) {
        self.held.borrow_mut().pass = true;
        self.world.udp_up = true;
        self.flush();
        self.world.run(Duration::from_secs(120));
    }
}

#[derive(Clone, Debug)]
struct Node {
    steps: Arc<Vec<Step>>,
    digest: u64,
    next: Arc<Vec<Step>>,
    states: [State; 2],
    violation: Option<String>,
}

impl Hash for Node {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.digest.hash(hasher);
        self.violation.is_some().hash(hasher);
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

struct Calls(Freedoms);

impl Calls {
    fn node(&self, steps: Vec<Step>) -> Node {
        let went = catch_unwind(AssertUnwindSafe(|| {
            let mut scene = Scene::new(&self.0);
            for step in &steps {
                scene.step(*step);
            }
            let mut hasher = DefaultHasher::new();
            scene.digest().hash(&mut hasher);
            // How much of its freedoms is left is part of a state.
            for count in self.counts(&steps) {
                count.hash(&mut hasher);
            }
            let digest = hasher.finish();
            let next = self.possible(&steps, &scene);
            let states = [0, 1].map(|index| scene.world.state(index));
            let violation = look(scene, digest, &self.0).err();
            (digest, next, states, violation)
        }));
        match went {
            Ok((digest, next, states, violation)) => {
                Node { steps: Arc::new(steps), digest, next: Arc::new(next), states, violation }
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Node {
                    steps: Arc::new(steps),
                    digest: 0,
                    next: Arc::default(),
                    states: [State::Ringing, State::Ringing],
                    violation: Some(text.unwrap_or_default()),
                }
            }
        }
    }

    fn counts(&self, steps: &[Step]) -> [usize; 8] {
        let count = |which: fn(&Step) -> bool| steps.iter().filter(|step| which(step)).count();
        [
            count(|step| matches!(step, Step::Drop(_))),
            count(|step| matches!(step, Step::Copy(_))),
            count(|step| matches!(step, Step::Tick)),
            count(|step| matches!(step, Step::HangUp(_))),
            count(|step| matches!(step, Step::BreakSocket(_))),
            count(|step| matches!(step, Step::RestartServer)),
            count(|step| matches!(step, Step::Udp(false))),
            count(|step| matches!(step, Step::Mallory(..))),
        ]
    }

    fn possible(&self, steps: &[Step], scene: &Scene) -> Vec<Step> {
        let free = &self.0;
        let [drops, copies, ticks, hang_ups, breaks, restarts, outages, evil] = self.counts(steps);
        let mut next = Vec::new();
        let held = scene.held.borrow();
        for (at, (to, _)) in held.pool.iter().enumerate() {
            let oldest = held.pool[..at].iter().all(|(other, _)| other != to);
            if free.reorder || oldest {
                next.push(Step::Deliver(at));
                next.extend((drops < free.drops).then_some(Step::Drop(at)));
                next.extend((copies < free.copies).then_some(Step::Copy(at)));
            }
        }
        next.extend((ticks < free.ticks).then_some(Step::Tick));
        next.extend((restarts < free.restarts).then_some(Step::RestartServer));
        if !scene.world.udp_up {
            next.push(Step::Udp(true));
        } else if outages < free.outages {
            next.push(Step::Udp(false));
        }
        for index in [0, 1] {
            let state = scene.world.state(index);
            if state == State::Ringing && !free.alone {
                next.push(Step::Accept(index));
            }
            if !matches!(state, State::Ended(_)) {
                next.extend((hang_ups < free.hang_ups).then_some(Step::HangUp(index)));
                let open = scene.world.callers[index].socket_open;
                next.extend((open && breaks < free.breaks).then_some(Step::BreakSocket(index)));
            }
            if evil < free.evil {
                let fits = |evil: &&Evil| evil.fits(&scene.world, index);
                next.extend(EVIL.iter().filter(fits).map(|evil| Step::Mallory(*evil, index)));
            }
        }
        next
    }
}

const EVIL: [Evil; 11] = [
    Evil::Offer,
    Evil::AnswerTheirs,
    Evil::CandidateTheirs,
    Evil::ByeTheirs,
    Evil::BusyTheirs,
    Evil::MovedTheirs,
    Evil::RestartTheirs,
    Evil::Connect(true),
    Evil::Connect(false),
    Evil::Bind(true),
    Evil::Bind(false),
];

/// What follows from a state if all goes well from now on: nobody is stuck, and a hang-up ends it for both.
fn look(mut scene: Scene, digest: u64, freedoms: &Freedoms) -> Result<(), String> {
    // One of three ways to go on, chosen by the state itself: each is taken in a third of them.
    let hangs_up = match digest % 3 {
        0 => None,
        1 => Some(0),
        _ => Some(1),
    };
    if let Some(index) = hangs_up {
        scene.world.input(index, Input::HangUp);
    }
    scene.honest();
    let states = [0, 1].map(|index| scene.world.state(index));
    let rest = |state: &State| match state {
        State::Ringing | State::Waiting | State::Ended(_) => true,
        State::InCall(in_call) => in_call.outage_since.is_none(),
        State::Joining | State::Connecting => false,
    };
    if !states.iter().all(rest) {
        return Err(format!("stuck: {states:?}"));
    }
    // With a hostile peer in the room, one of them may be in a call with that one.
    let talks = states.clone().map(|state| matches!(state, State::InCall(_)));
    if talks[0] != talks[1] && freedoms.evil == 0 {
        return Err(format!("one of them talks to nobody: {states:?}"));
    }
    if let Some(index) = hangs_up {
        let left = &states[1 - index];
        if !matches!(states[index], State::Ended(_)) || (matches!(left, State::InCall(_)) && freedoms.evil == 0) {
            return Err(format!("hanging up did not end it: {states:?}"));
        }
    }
    Ok(())
}

impl Model for Calls {
    type State = Node;
    type Action = Step;

    fn init_states(&self) -> Vec<Node> {
        vec![self.node(Vec::new())]
    }

    fn actions(&self, node: &Node, actions: &mut Vec<Step>) {
        if node.steps.len() < self.0.depth && node.violation.is_none() {
            actions.extend(node.next.iter());
        }
    }

    fn next_state(&self, last: &Node, step: Step) -> Option<Node> {
        let mut steps = last.steps.as_ref().clone();
        steps.push(step);
        Some(self.node(steps))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing that must not be", |_, node: &Node| node.violation.is_none()),
            Property::sometimes("a call", |_, node: &Node| {
                node.states.iter().any(|state| matches!(state, State::InCall(_)))
            }),
            Property::sometimes("an end", |_, node: &Node| {
                node.states.iter().any(|state| matches!(state, State::Ended(_)))
            }),
        ]
    }
}

/// Goes everywhere, and fails on the first state that must not be, saying how it came about.
fn explore(freedoms: Freedoms) {
    let begun = Instant::now();
    let checker = Calls(freedoms).checker().threads(1).spawn_bfs().join();
    println!(
        "{}: {} states, {} different, depth {}, {:.1} s",
        freedoms.name,
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed().as_secs_f32()
    );
    if let Some(path) = checker.discovery("nothing that must not be") {
        let last = path.last_state();
        panic!("{:?} after {:?}", last.violation, last.steps);
    }
    checker.assert_properties();
}

#[test]
fn model_of_a_server_that_loses_messages() {
    explore(Freedoms { name: "losing", drops: 2, ticks: 2, hang_ups: 1, depth: 18, ..NOTHING });
}

#[test]
fn model_of_a_server_that_copies_and_reorders() {
    explore(Freedoms {
        name: "copying and reordering",
        reorder: true,
        copies: 1,
        drops: 1,
        hang_ups: 1,
        depth: 8,
        ..NOTHING
    });
}

#[test]
fn model_of_sockets_that_break_and_servers_that_restart() {
    explore(Freedoms { name: "breaking", breaks: 2, restarts: 1, ticks: 4, hang_ups: 1, depth: 8, ..NOTHING });
}

#[test]
fn model_of_outages() {
    explore(Freedoms { name: "outages", outages: 2, breaks: 1, ticks: 4, depth: 11, ..NOTHING });
}

#[test]
fn model_of_a_ring_that_is_accepted_or_declined() {
    explore(Freedoms { name: "ring", ring: true, drops: 1, ticks: 2, hang_ups: 2, breaks: 1, depth: 13, ..NOTHING });
}

#[test]
fn model_of_a_hostile_peer_with_the_link() {
    explore(Freedoms { name: "hostile peer", alone: true, evil: 6, hang_ups: 1, depth: 12, ..NOTHING });
}

#[test]
fn model_of_a_hostile_peer_between_two_callers() {
    explore(Freedoms { name: "hostile peer between", evil: 2, depth: 8, ..NOTHING });
}
