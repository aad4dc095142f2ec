//! Offers, answers, candidates.

use std::time::Instant;

use eyeline_protocol::MemberId;
use eyeline_protocol::inner::{Inner, SessionId};
use eyeline_seal::sdp;

use super::{BUSY_RETRY, BUSY_TRIES, CONNECT_TIMEOUT, Call, EndReason, Stage};
use crate::gate::Fingerprint;
use crate::output::RtcCommand;
use crate::refusal::Refusal;
use crate::session::{Outage, Role, Session, With};

impl Call {
    pub(super) fn offer(&mut self, now: Instant, members: Vec<MemberId>) {
        let id = SessionId::from_random(u64::from_be_bytes(self.entropy.take()));
        if !self.open_connection(&id) {
            return;
        }
        self.rtc(&id, RtcCommand::Offer { restart: false });
        self.enter(Stage::Connecting { session: Session::offerer(id, members), until: now + CONNECT_TIMEOUT });
    }

    /// Asks for a peer connection; `false`, and the end of the call, if there cannot be one as the user wants it.
    fn open_connection(&mut self, id: &SessionId) -> bool {
        if self.relay_only && !self.ice.urls.iter().any(|url| url.starts_with("turn")) {
            self.end(EndReason::NoRelay);
            return false;
        }
        self.rtc(id, RtcCommand::Open { ice: self.ice.clone(), relay_only: self.relay_only });
        true
    }

    pub(super) fn handle_offer(&mut self, now: Instant, from: MemberId, id: SessionId, epoch: u32, sdp: String) {
        let fingerprint = match sdp::check(&sdp) {
            Ok(described) => described.fingerprint,
            Err(error) => return self.handle_refusal(&from, Refusal::Sdp(error)),
        };
        if let Some(session) = self.session_mut()
            && session.id == id
        {
            if session.role == Role::Answerer && session.concerns(&from) && epoch > session.epoch {
                if let Err(refusal) = session.assurance.describe_remote(fingerprint) {
                    return self.handle_refusal(&from, refusal);
                }
                session.take_offer(epoch);
                self.take_offer(&from, &id, epoch, sdp);
            }
            return;
        }
        match &self.stage {
            Stage::Waiting | Stage::Refused { .. } => {}
            Stage::Connecting { session, .. } => {
                let glare = session.role == Role::Offerer && session.concerns(&from);
                if glare && self.place.me() < Some(&from) {
                    return;
                }
            }
            Stage::Talking { .. } => {
                // Whoever can cut the path must not be able to take the peer's place with nothing but the link: only the
                // device that the call is with may begin again, after a crash for example.
                if !self.is_peer_of_call(&from) {
                    self.send_to(&[from], &Inner::Busy { session: id });
                    return;
                }
            }
            Stage::Ringing | Stage::Joining | Stage::Ended(_) => return,
        }
        self.drop_session();
        if !self.open_connection(&id) {
            return;
        }
        self.take_offer(&from, &id, epoch, sdp);
        let mut session = Session::answerer(id, epoch, from);
        // The first description of a session is never at odds with an earlier one.
        let _first = session.assurance.describe_remote(fingerprint);
        self.enter(Stage::Connecting { session, until: now + CONNECT_TIMEOUT });
    }

    fn take_offer(&mut self, from: &MemberId, id: &SessionId, epoch: u32, sdp: String) {
        self.rtc(id, RtcCommand::AcceptOffer(sdp));
        for candidate in self.early.take(from, id, epoch) {
            self.rtc(id, RtcCommand::AddCandidate(candidate));
        }
    }

    pub(super) fn handle_answer(&mut self, from: &MemberId, id: &SessionId, epoch: u32, sdp: String) {
        let Some(session) = self.current_with(from, id) else { return };
        if session.role != Role::Offerer || epoch != session.epoch {
            return;
        }
        let described = sdp::check(&sdp).map_err(Refusal::from);
        let taken = described.and_then(|described| session.assurance.describe_remote(described.fingerprint));
        if let Err(refusal) = taken {
            return self.handle_refusal(from, refusal);
        }
        session.with = With::Peer(from.clone());
        self.rtc(id, RtcCommand::AcceptAnswer(sdp));
        for candidate in self.early.take(from, id, epoch) {
            self.rtc(id, RtcCommand::AddCandidate(candidate));
        }
        self.assure();
    }

    pub(super) fn handle_candidate(&mut self, from: MemberId, id: SessionId, epoch: u32, candidate: String) {
        match sdp::check_candidate(&candidate) {
            // A name to be asked for in the local network would tell everybody there that we are looking for it.
            Ok(checked) if checked.mdns => return,
            Ok(_) => {}
            Err(error) => return self.refused(Refusal::Candidate(error)),
        }
        match self.current_with(&from, &id) {
            // Among several invited, only the one who answers may add addresses.
            Some(session) if session.epoch == epoch && matches!(session.with, With::Peer(_)) => {
                self.rtc(&id, RtcCommand::AddCandidate(candidate));
            }
            Some(session) if epoch < session.epoch => {}
            Some(_) | None => self.early.keep(from, id, epoch, candidate),
        }
    }

    pub(super) fn handle_busy(&mut self, now: Instant, from: &MemberId, id: &SessionId) {
        let Some(session) = self.current_with(from, id) else { return };
        let With::Invited(members) = &session.with else { return };
        let members = members.clone();
        self.busy_tries += 1;
        if self.busy_tries >= BUSY_TRIES {
            self.end(EndReason::RoomFull);
            return;
        }
        self.drop_session();
        self.enter(Stage::Refused { members, retry_at: now + BUSY_RETRY });
    }

    pub(super) fn handle_moved(&mut self, now: Instant, from: &MemberId, id: &SessionId, reply: bool) {
        let known = self.is_peer_of_call(from);
        let Stage::Talking { session, outage, .. } = &mut self.stage else { return };
        if session.id != *id {
            return;
        }
        if !known {
            return self.refused(Refusal::WrongDevice);
        }
        session.with = With::Peer(from.clone());
        if let Some(outage) = outage {
            outage.retry_at = now;
        }
        let restart_due = session.restart_due;
        if !reply {
            let moved = Inner::Moved { session: id.clone(), reply: true };
            self.send_to(std::slice::from_ref(from), &moved);
        }
        if restart_due {
            self.restart_ice(now);
        }
    }

    /// Whether this member is the device that the call is with, under whatever name the server gives it.
    fn is_peer_of_call(&self, member: &MemberId) -> bool {
        let device = self.pairs.peer(member).map(|card| card.device);
        device.is_some() && device == self.peer().map(|card| card.device)
    }

    pub(super) fn handle_restart_request(&mut self, now: Instant, from: &MemberId, id: &SessionId) {
        let Some(session) = self.current_with(from, id) else { return };
        let recent = session.restarted_at.is_some_and(|at| now.saturating_duration_since(at) < Outage::RESTART_MIN);
        if session.role == Role::Offerer && !recent {
            self.restart_ice(now);
        }
    }

    /// Restarts ICE, or asks the offerer to.
    pub(super) fn restart_ice(&mut self, now: Instant) {
        let Stage::Talking { session, outage, .. } = &mut self.stage else { return };
        if let Some(outage) = outage {
            outage.retry_at = now + Outage::RETRY;
        }
        let (id, role, recipients) = (session.id.clone(), session.role, session.recipients());
        session.restart_due = !self.place.online();
        if session.restart_due {
            return;
        }
        match role {
            Role::Offerer => {
                session.restarted_at = Some(now);
                self.rtc(&id, RtcCommand::Offer { restart: true });
            }
            Role::Answerer => self.send_to(&recipients, &Inner::Restart { session: id }),
        }
    }

    /// Notes the fingerprint in a description of ours. One that we would not take ourselves is our own fault.
    pub(super) fn describe_own(&mut self, sdp: &str) -> bool {
        let fingerprint: Fingerprint = match sdp::check(sdp) {
            Ok(described) => described.fingerprint,
            Err(error) => {
                self.refused(Refusal::Sdp(error));
                self.end_if_not_talking(EndReason::Internal);
                return false;
            }
        };
        if let Some(session) = self.session_mut() {
            session.assurance.describe_own(fingerprint);
        }
        true
    }
}
