//! A hostile member: it has the link, does the handshake as it should, and then says what the test wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use eyeline_protocol::inner::Inner;
use eyeline_protocol::{ClientMessage, MemberId, ServerMessage, wire};
use eyeline_seal::{Body, Client, Identity, Initiator, Kind, LocalCard, PairIds, Responder, RoomKeys, Session};

use super::{PUPPETS, World, identity, keys};

pub(crate) struct Puppet {
    index: usize,
    pub(crate) me: MemberId,
    keys: RoomKeys,
    identity: Arc<Identity>,
    card: LocalCard,
    initiators: BTreeMap<MemberId, Initiator>,
    responders: BTreeMap<MemberId, Responder>,
    pub(crate) sessions: BTreeMap<MemberId, Session>,
    seqs: BTreeMap<MemberId, u64>,
    /// What was said to it.
    pub(crate) heard: Vec<(MemberId, Inner)>,
}

impl Puppet {
    /// Enters the room of a link with a device, and shakes hands with whom it finds there once they answer.
    pub(crate) fn join(world: &mut World, device: u8, link: u8) -> Self {
        let index = PUPPETS + world.puppets.len();
        world.puppets.push(Vec::new());
        let keys = keys(link);
        world.server_join(index, 0, keys.room_id);
        let me = world.member_id(index);
        let card = LocalCard::new("Mallory", Client::Peer, ["sas"]);
        let mut puppet = Self {
            index,
            me,
            keys,
            identity: identity(device),
            card,
            initiators: BTreeMap::new(),
            responders: BTreeMap::new(),
            sessions: BTreeMap::new(),
            seqs: BTreeMap::new(),
            heard: Vec::new(),
        };
        puppet.pump(world);
        puppet
    }

    /// Reads what came.
    pub(crate) fn pump(&mut self, world: &mut World) {
        for message in std::mem::take(&mut world.puppets[self.index - PUPPETS]) {
            match message {
                ServerMessage::Joined { members, .. } => {
                    for member in members {
                        self.begin(world, &member);
                    }
                }
                ServerMessage::From { from, seq, body } => self.read(world, from, seq, &body),
                _ => {}
            }
        }
    }

    fn begin(&mut self, world: &mut World, member: &MemberId) {
        let ids = PairIds { initiator: self.me.clone(), responder: member.clone() };
        let (initiator, first) = Initiator::start(&self.keys, &ids, &self.identity, &self.card, [0x1d; 64]);
        self.initiators.insert(member.clone(), initiator);
        self.send(world, member, first);
    }

    fn read(&mut self, world: &mut World, from: MemberId, seq: u64, body: &str) {
        match eyeline_seal::kind(body) {
            Some(Kind::PairFirst) => {
                let ids = PairIds { initiator: from.clone(), responder: self.me.clone() };
                let (responder, second) =
                    Responder::accept(&self.keys, &ids, &self.identity, &self.card, [0x2d; 64], body).expect("honest");
                self.responders.insert(from.clone(), responder);
                self.send(world, &from, second);
            }
            Some(Kind::PairSecond) => {
                let (third, session) =
                    self.initiators.get_mut(&from).expect("begun").read(body).expect("an honest answer");
                self.sessions.insert(from.clone(), session);
                self.send(world, &from, third);
            }
            Some(Kind::PairThird) => {
                let session = self.responders.get_mut(&from).expect("begun").finish(body).expect("honest");
                self.sessions.insert(from, session);
            }
            Some(Kind::Sealed) => {
                let plain = self.sessions.get_mut(&from).expect("open").open(seq, body).expect("honest");
                let inner = Inner::decode(&plain).expect("honest");
                self.heard.push((from, inner));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Says something, sealed.
    pub(crate) fn say(&mut self, world: &mut World, to: &MemberId, inner: &Inner) {
        self.say_bytes(world, to, &inner.encode());
    }

    pub(crate) fn say_bytes(&mut self, world: &mut World, to: &MemberId, plain: &[u8]) {
        let seq = self.seqs.get(to).copied().unwrap_or(0) + 1;
        let body = self.sessions.get_mut(to).expect("open").seal(seq, plain).expect("small");
        self.send(world, to, body);
    }

    pub(crate) fn send(&mut self, world: &mut World, to: &MemberId, body: Body) {
        let seq = self.seqs.entry(to.clone()).or_default();
        *seq += 1;
        let frame = wire::encode(&ClientMessage::Send { to: to.clone(), seq: *seq, body });
        world.server_frame(self.index, 0, &frame);
    }
}
