//! The signaling server as it should be.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use eyeline_call::{Input, SocketInput};
use eyeline_protocol::{ClientMessage, LeftReason, MemberId, ResumeToken, Resumed, RoomId, ServerMessage, wire};

use super::World;

const RESUME_WINDOW: Duration = Duration::from_secs(60);

pub(super) struct Member {
    room: RoomId,
    token: ResumeToken,
    /// Its caller and that one's how manyeth socket, while it has one.
    caller: Option<(usize, u64)>,
    since: Instant,
    received: BTreeMap<MemberId, u64>,
    /// Messages not acknowledged yet.
    unacked: VecDeque<ServerMessage>,
}

impl World {
    /// Breaks a caller's socket; frames under way are lost.
    pub(crate) fn break_socket(&mut self, index: usize, tell: bool) {
        let socket = self.callers[index].socket;
        if tell {
            // A socket that dies loses what is under way; one that is closed in order delivers it first.
            self.callers[index].socket += 1;
        }
        self.callers[index].socket_open = false;
        let now = self.now;
        for member in self.members.values_mut().filter(|member| member.caller == Some((index, socket))) {
            if tell {
                member.caller = None;
            }
            member.since = now;
        }
        if tell {
            self.input(index, Input::Socket(SocketInput::Closed));
        }
    }

    /// Stops the server, with or without its memory.
    pub(crate) fn stop_server(&mut self, forget: bool) {
        self.server_up = false;
        for index in 0..self.callers.len() {
            if self.callers[index].socket_open {
                self.break_socket(index, true);
            }
        }
        if forget {
            self.members.clear();
        }
    }

    /// A caller's program dies: no goodbye.
    pub(crate) fn crash(&mut self, index: usize) {
        self.callers[index].alive = false;
        let socket = self.callers[index].socket;
        self.callers[index].pcs.clear();
        for member in self.members.values_mut().filter(|member| member.caller == Some((index, socket))) {
            member.caller = None;
            member.since = self.now;
        }
    }

    /// The id of a caller or puppet that is in a room.
    pub(crate) fn member_id(&self, index: usize) -> MemberId {
        let found = self.members.iter().find(|(_, member)| member.caller.is_some_and(|(caller, _)| caller == index));
        found.expect("in a room").0.clone()
    }

    pub(super) fn next_gone(&self) -> Option<Instant> {
        self.members.values().filter(|member| member.caller.is_none()).map(|member| member.since + RESUME_WINDOW).min()
    }

    pub(super) fn expire_member(&mut self) {
        let gone = |member: &Member| member.caller.is_none() && member.since + RESUME_WINDOW <= self.now;
        if let Some(id) = self.members.iter().find(|(_, member)| gone(member)).map(|(id, _)| id.clone()) {
            self.server_left(&id, LeftReason::Gone);
        }
    }

    fn tell_member(&mut self, id: &MemberId, message: &ServerMessage) {
        let Some(member) = self.members.get(id) else { return };
        // To a member without a socket, who comes and goes meanwhile is said by `resumed.members`.
        if let Some((index, _)) = member.caller {
            self.deliver(index, message.clone());
        }
    }

    fn member_of(&self, index: usize, socket: u64) -> Option<MemberId> {
        self.members.iter().find(|(_, member)| member.caller == Some((index, socket))).map(|(id, _)| id.clone())
    }

    pub(super) fn server_frame(&mut self, index: usize, socket: u64, frame: &str) {
        match wire::decode_client(frame).expect("a call sends valid messages") {
            ClientMessage::Hello { resume, .. } => self.server_hello(index, socket, resume),
            ClientMessage::Join { room_id } => self.server_join(index, socket, room_id),
            ClientMessage::Send { to, seq, body } => self.server_send(index, socket, to, seq, body),
            ClientMessage::Ack { from: of, seq: up_to } => {
                let Some(id) = self.member_of(index, socket) else { return };
                let unacked = &mut self.members.get_mut(&id).expect("just found").unacked;
                unacked.retain(|m| !matches!(m, ServerMessage::From { from, seq, .. } if *from == of && *seq <= up_to));
            }
            ClientMessage::Bye => {
                if let Some(id) = self.member_of(index, socket) {
                    self.server_left(&id, LeftReason::Bye);
                }
            }
            ClientMessage::IceRefresh => {
                let Some(id) = self.member_of(index, socket) else { return };
                self.ice_refreshes.push((index, self.now));
                self.tell_member(&id, &ServerMessage::Ice { ice: self.ice.clone() });
            }
            other => panic!("a call has no use for {other:?}"),
        }
    }

    fn server_send(&mut self, index: usize, socket: u64, to: MemberId, seq: u64, body: String) {
        let Some(from) = self.member_of(index, socket) else { return };
        if self.members.get(&to).is_none_or(|member| member.room != self.members[&from].room) {
            return self.tell_member(&from, &ServerMessage::Undeliverable { to, seq });
        }
        let received = self.members.get_mut(&from).expect("just found").received.entry(to.clone()).or_default();
        if seq <= *received {
            return;
        }
        assert_eq!(seq, *received + 1, "a gap in the numbers of {index}");
        *received = seq;
        let message = ServerMessage::From { from, seq, body };
        self.members.get_mut(&to).expect("just checked").unacked.push_back(message.clone());
        self.tell_member(&to, &message);
    }

    fn server_hello(&mut self, index: usize, socket: u64, resume: Option<ResumeToken>) {
        let found = resume
            .and_then(|token| self.members.iter().find(|(_, member)| member.token == token).map(|(id, _)| id.clone()));
        let token = match &found {
            Some(id) => self.members[id].token.clone(),
            None => ResumeToken::new(format!("t{index}-{socket}")).expect("short"),
        };
        let resumed = found.clone().map(|me| {
            let members = self.others(&me);
            Resumed { received: self.members[&me].received.clone(), members, me }
        });
        let welcome = ServerMessage::Welcome {
            conn: "c".into(),
            resume_token: token,
            resumed,
            features: vec![],
            heartbeat_s: 20,
            limits: Default::default(),
        };
        self.deliver(index, welcome);
        if let Some(id) = found {
            let member = self.members.get_mut(&id).expect("just found");
            member.caller = Some((index, socket));
            for message in member.unacked.clone() {
                self.tell_member(&id, &message);
            }
        }
    }

    fn others(&self, me: &MemberId) -> Vec<MemberId> {
        let room = self.members[me].room;
        let others = self.members.iter().filter(|(id, member)| *id != me && member.room == room);
        others.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn server_join(&mut self, index: usize, socket: u64, room: RoomId) {
        self.next_id += 1;
        // Ids in no particular order, so that ties are broken both ways over seeds.
        let me = MemberId::new(format!("m{:03}", (self.next_id * 383) % 1000)).expect("valid");
        let token = ResumeToken::new(format!("t{index}-{socket}")).expect("short");
        let member = Member {
            room,
            token,
            caller: Some((index, socket)),
            since: self.now,
            received: BTreeMap::new(),
            unacked: VecDeque::new(),
        };
        self.members.insert(me.clone(), member);
        let members = self.others(&me);
        for id in &members {
            self.tell_member(id, &ServerMessage::PeerJoined { id: me.clone() });
        }
        let ice = self.ice.clone();
        self.tell_member(&me.clone(), &ServerMessage::Joined { me, members, ice });
    }

    fn server_left(&mut self, id: &MemberId, reason: LeftReason) {
        let others = self.others(id);
        self.members.remove(id);
        for other in others {
            self.tell_member(&other, &ServerMessage::PeerLeft { id: id.clone(), reason });
        }
    }
}
