//! The peer connection: what it found, whether media may flow, what happens when packets stop.

use std::time::Instant;

use eyeline_protocol::inner::{Inner, SessionId};

use super::{Call, EndReason, Stage};
use crate::gate::Gate;
use crate::output::{Output, RtcCommand, RtcInput};
use crate::refusal::Refusal;
use crate::relay_only;
use crate::session::{Outage, Role, With};

impl Call {
    pub(super) fn handle_rtc(&mut self, now: Instant, id: &SessionId, input: RtcInput) {
        let relay_only = self.relay_only;
        let Some(session) = self.session_mut() else { return };
        if session.id != *id {
            return;
        }
        let recipients = session.recipients();
        match input {
            RtcInput::Offer(sdp) => {
                let first = matches!(session.with, With::Invited(_));
                session.epoch = session.epoch.saturating_add(u32::from(!first));
                session.local_epoch = session.epoch;
                let epoch = session.epoch;
                let sdp = if relay_only { relay_only::description(&sdp) } else { sdp };
                if self.describe_own(&sdp) {
                    self.send_to(&recipients, &Inner::Offer { session: id.clone(), epoch, sdp });
                }
            }
            RtcInput::Answer(sdp) => {
                session.local_epoch = session.answering.pop_front().unwrap_or(session.epoch);
                let epoch = session.local_epoch;
                let sdp = if relay_only { relay_only::description(&sdp) } else { sdp };
                if self.describe_own(&sdp) {
                    self.send_to(&recipients, &Inner::Answer { session: id.clone(), epoch, sdp });
                    self.assure();
                }
            }
            RtcInput::Candidate(candidate) => {
                let epoch = session.local_epoch;
                let told = if relay_only { relay_only::candidate(&candidate) } else { Some(candidate) };
                if let Some(candidate) = told {
                    self.send_to(&recipients, &Inner::Candidate { session: id.clone(), epoch, candidate });
                }
            }
            RtcInput::CandidatesDone => {
                let message = Inner::CandidatesEnd { session: id.clone(), epoch: session.local_epoch };
                self.send_to(&recipients, &message);
            }
            RtcInput::Connected { certificate } => {
                session.assurance.connect(now, certificate);
                self.send_bind();
                self.handle_connected(now);
            }
            RtcInput::ControlOpen => {
                session.assurance.open_control();
                self.send_bind();
            }
            RtcInput::Bind(proof) => {
                session.assurance.receive_bind(&proof);
                self.ask_gate(now);
            }
            RtcInput::Disconnected | RtcInput::Failed => self.handle_disconnected(now),
            RtcInput::BetterPath => self.restart_ice(now),
            RtcInput::RemoteBye => {
                // Before the gate opened nobody knows whose goodbye it is.
                if matches!(self.stage, Stage::Talking { .. }) {
                    self.end(EndReason::RemoteHungUp);
                }
            }
            RtcInput::Error => self.handle_rtc_error(),
        }
    }

    /// Both descriptions may be known now: takes the keys for the proofs.
    pub(super) fn assure(&mut self) {
        let us = self.us;
        let (Stage::Connecting { session, .. } | Stage::Talking { session, .. }) = &mut self.stage else { return };
        let With::Peer(member) = &session.with else { return };
        if let Some(sealed) = self.pairs.session(member) {
            session.assurance.derive(session.role, us, sealed);
        }
        self.send_bind();
    }

    fn send_bind(&mut self) {
        let Some(session) = self.session_mut() else { return };
        let id = session.id.clone();
        if let Some(proof) = session.assurance.bind_to_send() {
            self.rtc(&id, RtcCommand::Bind(proof));
        }
    }

    fn handle_connected(&mut self, now: Instant) {
        if let Stage::Talking { session, outage, .. } = &mut self.stage {
            // The gate of a call that runs is asked again: it must be the same connection that came back.
            match session.assurance.gate(self.accepted) {
                Gate::Open => *outage = None,
                Gate::Closed => {}
                Gate::Shut(violation) => {
                    self.refused(Refusal::Gate(violation));
                    self.end(EndReason::Tampered);
                }
            }
            self.changed();
        } else {
            self.ask_gate(now);
        }
    }

    /// Lets a session that is being set up become a call, if the media gate says so.
    pub(super) fn ask_gate(&mut self, now: Instant) {
        let Stage::Connecting { session, .. } = &self.stage else { return };
        match session.assurance.gate(self.accepted) {
            Gate::Closed => {}
            Gate::Shut(violation) => {
                self.refused(Refusal::Gate(violation));
                self.end(EndReason::Tampered);
            }
            Gate::Open => {
                let Stage::Connecting { session, .. } = std::mem::replace(&mut self.stage, Stage::Waiting) else {
                    return;
                };
                self.busy_tries = 0;
                self.outputs.push_back(Output::OpenMedia { session: session.id.clone() });
                self.enter(Stage::Talking { session, since: now, outage: None });
                self.begin_verification();
            }
        }
    }

    fn handle_disconnected(&mut self, now: Instant) {
        let Stage::Talking { session, outage: outage @ None, .. } = &mut self.stage else { return };
        *outage = Some(Outage::new(now, session.role));
        self.changed();
        self.handle_timeout(now);
    }

    /// What came from outside and could not be used costs the session it was for, not our place in the room. In a call the
    /// connection stays as it was, and a restart of ICE mends what it can.
    fn handle_rtc_error(&mut self) {
        match &mut self.stage {
            // The answer that was being made will not come, so the next one is not to be taken for it.
            Stage::Talking { session, .. } => drop(session.answering.pop_front()),
            Stage::Connecting { session, .. } if session.role == Role::Answerer => {
                self.drop_session();
                self.enter(Stage::Waiting);
            }
            Stage::Connecting { session, .. } if matches!(session.with, With::Peer(_)) => {
                self.end(EndReason::Incompatible);
            }
            Stage::Connecting { .. } => self.end(EndReason::Internal),
            Stage::Ringing | Stage::Joining | Stage::Waiting | Stage::Refused { .. } | Stage::Ended(_) => {}
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.place.handle_timeout(now);
        match &self.stage {
            Stage::Connecting { session, .. } if session.assurance.bind_deadline().is_some_and(|at| now >= at) => {
                self.refused(Refusal::BindTimeout);
                // A path that dies at this moment is the likelier reason than somebody in between, who is kept out either way.
                self.end(EndReason::NoPath);
            }
            Stage::Connecting { until, .. } if now >= *until => self.end(EndReason::NoPath),
            Stage::Refused { members, retry_at } if now >= *retry_at => {
                let members = members.clone();
                self.offer(now, members);
            }
            Stage::Talking { outage: Some(outage), .. } if now >= outage.since + Outage::GIVE_UP => {
                self.end(EndReason::RemoteVanished);
            }
            Stage::Talking { outage: Some(outage), .. } if now >= outage.retry_at => self.restart_ice(now),
            Stage::Connecting { .. }
            | Stage::Refused { .. }
            | Stage::Talking { .. }
            | Stage::Ringing
            | Stage::Joining
            | Stage::Waiting
            | Stage::Ended(_) => {}
        }
    }
}
