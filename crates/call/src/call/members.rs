//! Who is in the room, and what they say.

use std::time::Instant;

use eyeline_protocol::inner::{Inner, InnerError};
use eyeline_protocol::{ErrorCode, IceConfig, MemberId};
use eyeline_seal::{OpenError, PairError};

use super::{Call, EndReason, Stage};
use crate::output::{Output, RtcCommand};
use crate::pairs::Received;
use crate::place::PlaceEvent;
use crate::refusal::Refusal;
use crate::session::{Session, With};

impl Call {
    pub(super) fn drain_place(&mut self, now: Instant) {
        while let Some(event) = self.place.poll_event() {
            self.handle_place(now, event);
        }
        while let Some(command) = self.place.poll_command() {
            self.outputs.push_back(Output::Socket(command));
        }
    }

    fn handle_place(&mut self, now: Instant, event: PlaceEvent) {
        match event {
            PlaceEvent::Joined { members, ice } => self.handle_joined(now, members, ice),
            PlaceEvent::Ice(ice) => self.renew_ice(ice),
            PlaceEvent::Resumed { members } => self.handle_resumed(now, &members),
            PlaceEvent::PeerJoined | PlaceEvent::Offline => self.changed(),
            PlaceEvent::PeerLeft(id) => self.handle_peer_left(&id),
            PlaceEvent::Message { from, seq, body } => self.handle_body(now, from, seq, &body),
            PlaceEvent::Unreachable => self.end_if_not_talking(EndReason::ServerUnreachable),
            PlaceEvent::Refused(ErrorCode::RoomFull) => self.end_if_not_talking(EndReason::RoomFull),
            PlaceEvent::Refused(_) => self.end_if_not_talking(EndReason::ServerRefused),
            // A room has no codes.
            PlaceEvent::Code { .. } | PlaceEvent::Claimed { .. } | PlaceEvent::CodeFailed => {}
        }
    }

    /// For what comes next; what is allocated at the relay stays as it is.
    fn renew_ice(&mut self, ice: IceConfig) {
        self.ice = ice;
        if let Stage::Connecting { session, .. } | Stage::Talking { session, .. } = &self.stage {
            let id = session.id.clone();
            self.rtc(&id, RtcCommand::Renew(self.ice.clone()));
        }
    }

    fn handle_joined(&mut self, now: Instant, mut members: Vec<MemberId>, ice: IceConfig) {
        // A call that goes on is another member's now: with the credentials of the one that it was it would find no path
        // through the relay any more.
        self.renew_ice(ice);
        self.pairs.clear();
        members.retain(|member| match self.pairs.meet(&mut self.place, member) {
            Ok(()) => true,
            Err(refusal) => {
                self.outputs.push_back(Output::Refused(refusal));
                false
            }
        });
        match &mut self.stage {
            Stage::Talking { session, .. } => {
                // The server forgot us, so it forgot the peer: whoever is there may be it, under a new name.
                session.with = With::Nobody;
                let moved = Inner::Moved { session: session.id.clone(), reply: false };
                self.send_to(&members, &moved);
                self.changed();
            }
            Stage::Joining | Stage::Waiting | Stage::Connecting { .. } | Stage::Refused { .. } => {
                self.drop_session();
                if members.is_empty() {
                    self.enter(Stage::Waiting);
                } else {
                    self.offer(now, members);
                }
            }
            Stage::Ringing | Stage::Ended(_) => {}
        }
    }

    fn handle_resumed(&mut self, now: Instant, members: &[MemberId]) {
        let gone: Vec<MemberId> = match &self.stage {
            Stage::Connecting { session, .. } | Stage::Talking { session, .. } => session.recipients(),
            Stage::Refused { members, .. } => members.clone(),
            Stage::Ringing | Stage::Joining | Stage::Waiting | Stage::Ended(_) => Vec::new(),
        };
        for id in gone.iter().filter(|id| !members.contains(id)) {
            self.handle_peer_left(id);
        }
        if let Stage::Talking { session, outage, .. } = &mut self.stage {
            if let Some(outage) = outage {
                outage.retry_at = now;
            }
            if session.restart_due {
                self.restart_ice(now);
            }
        }
        self.changed();
    }

    fn handle_peer_left(&mut self, id: &MemberId) {
        self.pairs.forget(id);
        match &mut self.stage {
            Stage::Connecting { session, .. } if session.concerns(id) => {
                if uninvite(session, id) {
                    self.drop_session();
                    self.enter(Stage::Waiting);
                }
            }
            Stage::Refused { members, .. } => {
                members.retain(|member| member != id);
                if members.is_empty() {
                    self.enter(Stage::Waiting);
                }
            }
            Stage::Talking { session, outage, .. } if session.concerns(id) => {
                session.with = With::Nobody;
                if outage.is_some() {
                    self.end(EndReason::RemoteVanished);
                }
            }
            Stage::Connecting { .. }
            | Stage::Talking { .. }
            | Stage::Ringing
            | Stage::Joining
            | Stage::Waiting
            | Stage::Ended(_) => {}
        }
    }

    fn handle_body(&mut self, now: Instant, from: MemberId, seq: u64, body: &str) {
        match self.pairs.receive(&mut self.place, &from, seq, body) {
            Ok(Received::Step | Received::Opened) => {}
            Ok(Received::Message(inner)) => self.handle_inner(now, from, inner),
            Err(refusal) => self.handle_refusal(&from, refusal),
        }
    }

    fn handle_inner(&mut self, now: Instant, from: MemberId, inner: Inner) {
        match inner {
            Inner::Offer { session, epoch, sdp } => self.handle_offer(now, from, session, epoch, sdp),
            Inner::Answer { session, epoch, sdp } => self.handle_answer(&from, &session, epoch, sdp),
            Inner::Candidate { session, epoch, candidate } => self.handle_candidate(from, session, epoch, candidate),
            // The peer connection works with whatever came so far.
            Inner::CandidatesEnd { .. } => {}
            Inner::Restart { session } => self.handle_restart_request(now, &from, &session),
            Inner::Moved { session, reply } => self.handle_moved(now, &from, &session, reply),
            Inner::Busy { session } => self.handle_busy(now, &from, &session),
            Inner::Bye { session } => {
                if self.current_with(&from, &session).is_some() {
                    self.end(EndReason::RemoteHungUp);
                }
            }
            Inner::SasCommit { session, commitment } => self.handle_commitment(&from, &session, commitment.0),
            Inner::SasNonce { session, nonce } => self.handle_nonce(&from, &session, &nonce.0),
            Inner::SasReveal { session, nonce } => self.handle_reveal(&from, &session, &nonce.0),
            contact @ (Inner::ContactRequest { .. } | Inner::ContactAccept { .. } | Inner::ContactDecline) => {
                self.handle_contact(&from, contact);
            }
        }
    }

    /// Something of `from`, or of a server that says so, was not used. While a call is being set up with it that ends the
    /// attempt, when it shows that things are changed on the way; a call that runs is not harmed by it.
    pub(super) fn handle_refusal(&mut self, from: &MemberId, refusal: Refusal) {
        let consequence = consequence(&refusal);
        self.refused(refusal);
        let Some(reason) = consequence else { return };
        let alone = match &mut self.stage {
            // Others who were invited may still answer.
            Stage::Connecting { session, .. } if session.concerns(from) => uninvite(session, from),
            Stage::Waiting => reason == EndReason::KeyChanged,
            Stage::Connecting { .. }
            | Stage::Ringing
            | Stage::Joining
            | Stage::Refused { .. }
            | Stage::Talking { .. }
            | Stage::Ended(_) => false,
        };
        if alone {
            self.end(reason);
        }
    }
}

/// Takes a member off the list of those who may answer; whether nobody is left.
fn uninvite(session: &mut Session, id: &MemberId) -> bool {
    match &mut session.with {
        With::Invited(members) => {
            members.retain(|member| member != id);
            members.is_empty()
        }
        With::Peer(_) | With::Nobody => true,
    }
}

/// How a call that is being set up ends for something that was refused, if it does. What an honest server may do by
/// accident (a copy, a message too late) ends nothing.
fn consequence(refusal: &Refusal) -> Option<EndReason> {
    match refusal {
        Refusal::Handshake(PairError::NotAuthentic | PairError::BadPadding | PairError::BadCard(_))
        | Refusal::Sealed(OpenError::NotAuthentic | OpenError::BadPadding | OpenError::Malformed)
        | Refusal::FingerprintChanged
        | Refusal::Gate(_)
        | Refusal::BindTimeout
        | Refusal::NotABody => Some(EndReason::Tampered),
        Refusal::WrongDevice => Some(EndReason::KeyChanged),
        Refusal::Inner(InnerError::Malformed | InnerError::TooLong) | Refusal::Sdp(_) => Some(EndReason::Incompatible),
        // A later version may say more than we know.
        Refusal::Inner(InnerError::UnknownType) => None,
        Refusal::Handshake(PairError::Malformed | PairError::Finished)
        | Refusal::HandshakeNotDue
        | Refusal::Sealed(OpenError::Replayed)
        | Refusal::NoSession
        | Refusal::TooManyMembers
        | Refusal::Ourselves
        | Refusal::Candidate(_)
        | Refusal::SasNotDue
        | Refusal::SasCommitment
        | Refusal::Ring(_)
        | Refusal::NotAContact => None,
    }
}
