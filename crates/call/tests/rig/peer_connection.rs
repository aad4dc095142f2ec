//! Peer connections that connect when descriptions of both ends and candidates crossed.

use std::time::Duration;

use eyeline_call::{Fingerprint, Input, RtcCommand, RtcInput};
use eyeline_protocol::inner::SessionId;
use eyeline_seal::sdp;

use super::{What, World};

struct Remote {
    fingerprint: Fingerprint,
    ufrag: String,
}

pub(crate) struct Pc {
    pub(crate) fingerprint: Fingerprint,
    number: u32,
    generation: u32,
    relay_only: bool,
    remote: Option<Remote>,
    remote_candidates: u32,
    connected: bool,
    peer: Option<(usize, SessionId)>,
    control_open: bool,
    /// What the call was told of the other end's certificate, and whether of its proof.
    certificate: Option<Fingerprint>,
    bind_heard: bool,
    /// Our proof, should the call have said it.
    pub(crate) bind_said: Option<[u8; 32]>,
}

impl Pc {
    fn ufrag(&self) -> String {
        format!("p{:04}g{}", self.number, self.generation)
    }

    /// What tells two of them apart.
    pub(crate) fn shown(&self) -> impl std::hash::Hash {
        let remote = self.remote.as_ref().map(|remote| remote.ufrag.clone());
        let told = (self.certificate, self.bind_heard, self.bind_said, self.control_open);
        (self.ufrag(), remote, self.remote_candidates, self.connected, self.other_end(), told)
    }

    /// Who is at the other end.
    pub(super) fn other_end(&self) -> Option<usize> {
        self.peer.as_ref().map(|(other, _)| *other)
    }

    pub(super) fn note(&mut self, input: &RtcInput) {
        match input {
            RtcInput::Connected { certificate } => self.certificate = *certificate,
            RtcInput::Bind(_) => self.bind_heard = true,
            _ => {}
        }
    }

    /// Fails the test if media must not flow here.
    pub(super) fn assert_right(&self) {
        let sealed = self.remote.as_ref().map(|remote| remote.fingerprint);
        assert!(self.certificate.is_some() && self.certificate == sealed, "media with another certificate");
        assert!(self.bind_heard, "media without the other end's proof");
    }
}

/// A description with a fingerprint, as small as passes.
pub(crate) fn describe(setup: &str, ufrag: &str, fingerprint: &Fingerprint) -> String {
    let hex: Vec<String> = fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    format!(
        "v=0\r\no=- 1 2 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
         c=IN IP4 0.0.0.0\r\na=setup:{setup}\r\na=mid:0\r\na=sendrecv\r\na=ice-ufrag:{ufrag}\r\n\
         a=ice-pwd:0123456789abcdefghijkl\r\na=rtpmap:111 opus/48000/2\r\na=fingerprint:sha-256 {}\r\n",
        hex.join(":")
    )
}

/// The candidates of a caller: if it is relay-only, everything that it must not tell among them.
fn candidates(index: usize, pc: &Pc) -> Vec<String> {
    let ufrag = pc.ufrag();
    let init = |line: String| {
        serde_json::json!({
            "candidate": line, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": ufrag
        })
        .to_string()
    };
    let (host, public) = (format!("192.0.2.{index}"), format!("203.0.113.{index}"));
    let told = if pc.relay_only { 3 } else { 1 };
    let all = [
        init(format!("candidate:1 1 udp 2130706431 {host} 50000 typ host")),
        init(format!("candidate:2 1 udp 1694498815 {public} 4242 typ srflx raddr {host} rport 50000")),
        init(format!("candidate:3 1 udp 16777215 198.51.100.{index} 60000 typ relay raddr {public} rport 4242")),
    ];
    all.into_iter().take(told).collect()
}

fn ufrag_of(sdp: &str) -> String {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default().to_owned()
}

impl World {
    fn rtc_later(&mut self, after: Duration, index: usize, session: &SessionId, input: RtcInput) {
        self.later(after, What::ToCall(index, Input::Rtc { session: session.clone(), input }));
    }

    pub(super) fn pc_command(&mut self, index: usize, session: SessionId, command: RtcCommand) {
        let soon = self.pc_time;
        match command {
            RtcCommand::Open { ice, relay_only } => {
                self.opened_with.push((index, ice.user));
                self.open_pc(index, session, relay_only);
            }
            RtcCommand::Renew(ice) => self.renewed_with.push((index, ice.user)),
            RtcCommand::Offer { restart } => {
                let Some(pc) = self.callers[index].pcs.get_mut(&session) else { return };
                if restart {
                    pc.generation += 1;
                    pc.remote = None;
                    pc.remote_candidates = 0;
                }
                let sdp = describe("actpass", &pc.ufrag(), &pc.fingerprint);
                self.rtc_later(soon, index, &session, RtcInput::Offer(sdp));
                self.gather(index, &session);
            }
            RtcCommand::AcceptOffer(_) if self.refuse_offers => {
                self.rtc_later(soon, index, &session, RtcInput::Error);
            }
            RtcCommand::AcceptOffer(sdp) => {
                if !self.take_remote(index, &session, &sdp) {
                    return;
                }
                let pc = self.callers[index].pcs.get_mut(&session).expect("just used");
                pc.generation += 1;
                let sdp = describe("active", &pc.ufrag(), &pc.fingerprint);
                self.rtc_later(soon, index, &session, RtcInput::Answer(sdp));
                self.gather(index, &session);
            }
            RtcCommand::AcceptAnswer(sdp) => {
                self.take_remote(index, &session, &sdp);
            }
            RtcCommand::AddCandidate(candidate) => {
                let Some(pc) = self.callers[index].pcs.get_mut(&session) else { return };
                // ICE itself drops what belongs to old credentials: a restart may have been asked for a moment ago.
                let current = pc.remote.as_ref().is_some_and(|remote| candidate.contains(&remote.ufrag));
                pc.remote_candidates += u32::from(current);
                self.callers[index].heard.push(candidate);
                self.later(soon, What::Paths);
            }
            RtcCommand::Bind(proof) => {
                let Some(pc) = self.callers[index].pcs.get_mut(&session) else { return };
                pc.bind_said = Some(proof);
                if let Some((other, other_session)) = pc.peer.clone() {
                    self.rtc_later(self.latency, other, &other_session, RtcInput::Bind(proof));
                }
            }
            RtcCommand::Close => self.close_pc(index, &session),
        }
    }

    fn open_pc(&mut self, index: usize, session: SessionId, relay_only: bool) {
        assert_eq!(relay_only, self.callers[index].who.relay_only);
        self.next_pc += 1;
        let number = self.next_pc;
        let mut fingerprint = [0xfe; 32];
        fingerprint[..4].copy_from_slice(&number.to_be_bytes());
        let pc = Pc {
            fingerprint,
            number,
            generation: 0,
            relay_only,
            remote: None,
            remote_candidates: 0,
            connected: false,
            peer: None,
            control_open: false,
            certificate: None,
            bind_heard: false,
            bind_said: None,
        };
        let caller = &mut self.callers[index];
        caller.opened += 1;
        assert!(caller.pcs.insert(session, pc).is_none(), "a session is opened once");
    }

    fn gather(&mut self, index: usize, session: &SessionId) {
        let pc = &self.callers[index].pcs[session];
        for candidate in candidates(index, pc) {
            self.rtc_later(self.pc_time, index, session, RtcInput::Candidate(candidate));
        }
        self.rtc_later(self.pc_time, index, session, RtcInput::CandidatesDone);
    }

    fn take_remote(&mut self, index: usize, session: &SessionId, sdp: &str) -> bool {
        let described = sdp::check(sdp).expect("a call passes on only what is allowed");
        self.callers[index].heard.push(sdp.to_owned());
        let Some(pc) = self.callers[index].pcs.get_mut(session) else { return false };
        pc.remote = Some(Remote { fingerprint: described.fingerprint, ufrag: ufrag_of(sdp) });
        pc.remote_candidates = 0;
        self.later(self.pc_time, What::Paths);
        true
    }

    fn close_pc(&mut self, index: usize, session: &SessionId) {
        let caller = &mut self.callers[index];
        caller.media.remove(session);
        let pc = caller.pcs.remove(session).expect("closed once");
        if let Some((other, other_session)) = pc.peer
            && self.udp_up
            && self.callers[other].pcs.get(&other_session).is_some_and(|pc| pc.connected)
        {
            self.rtc_later(self.latency, other, &other_session, RtcInput::RemoteBye);
        }
    }

    /// Connects pairs of peer connections that mean each other.
    pub(super) fn try_paths(&mut self) {
        if !self.udp_up {
            return;
        }
        let ready: Vec<(usize, SessionId)> = (0..self.callers.len())
            .flat_map(|index| {
                let pcs = self.callers[index].pcs.iter();
                let ready = pcs.filter(|(_, pc)| pc.remote.is_some() && pc.remote_candidates > 0);
                ready.map(move |(session, _)| (index, session.clone()))
            })
            .collect();
        for a in &ready {
            for b in &ready {
                if a.0 != b.0 && self.mean_each_other(a, b) {
                    self.connect(a, b);
                }
            }
        }
    }

    fn mean_each_other(&self, a: &(usize, SessionId), b: &(usize, SessionId)) -> bool {
        let pc = |end: &(usize, SessionId)| self.callers[end.0].pcs.get(&end.1);
        let (Some(a), Some(b)) = (pc(a), pc(b)) else { return false };
        let means = |a: &Pc, b: &Pc| {
            let remote = a.remote.as_ref();
            remote.is_some_and(|remote| remote.ufrag == b.ufrag() && remote.fingerprint == b.fingerprint)
        };
        means(a, b) && means(b, a)
    }

    fn connect(&mut self, end: &(usize, SessionId), other: &(usize, SessionId)) {
        let latency = self.latency;
        let certificate = Some(self.callers[other.0].pcs[&other.1].fingerprint);
        let pc = self.callers[end.0].pcs.get_mut(&end.1).expect("just found");
        if pc.connected {
            return;
        }
        pc.connected = true;
        pc.peer = Some(other.clone());
        let open = !std::mem::replace(&mut pc.control_open, true);
        self.rtc_later(latency, end.0, &end.1, RtcInput::Connected { certificate });
        if open {
            self.rtc_later(latency, end.0, &end.1, RtcInput::ControlOpen);
        }
    }

    /// Media stops, and the ends in `noticing` notice.
    pub(crate) fn block_udp(&mut self, noticing: &[usize]) {
        self.udp_up = false;
        for index in noticing {
            let sessions: Vec<SessionId> = self.callers[*index].pcs.keys().cloned().collect();
            for session in sessions {
                self.callers[*index].pcs.get_mut(&session).expect("listed").connected = false;
                self.rtc_input(*index, &session, RtcInput::Disconnected);
            }
        }
    }
}
