//! Sockets that can be reached, or reach others: inboxes, rings, presence.

use std::time::Instant;

use eyeline_protocol::{ErrorCode, Grant, InboxId, InboxSecret, ServerMessage, Watched};

use super::conns::Stage;
use super::members::SERVER_FULL_RETRY_MS;
use super::{CloseReason, ConnId, NewRing, Rooms};
use crate::inboxes::{Full, OpenError};

impl Rooms {
    pub(super) fn inbox_open(
        &mut self,
        now: Instant,
        conn: ConnId,
        id: InboxId,
        proof: &InboxSecret,
        tokens: &[Grant],
    ) {
        match self.inboxes.open(now, conn, id, proof, tokens) {
            Ok(displaced) => {
                self.restage(conn, Stage::Reachable);
                if let Some(displaced) = displaced {
                    self.say(displaced, ServerMessage::InboxTaken);
                    self.close(displaced, CloseReason::Policy);
                }
            }
            Err(OpenError::BadProof) => {
                self.error(conn, ErrorCode::BadProof, "this is not the inbox's secret", None);
            }
            Err(OpenError::HasAnother) => self.already_joined(conn),
            Err(OpenError::Full) => self.full(conn),
        }
    }

    pub(super) fn ring(&mut self, now: Instant, conn: ConnId, ring: NewRing) {
        self.restage(conn, Stage::Reachable);
        self.inboxes.ring(now, conn, ring);
    }

    pub(super) fn watch(&mut self, now: Instant, conn: ConnId, contacts: &[Watched]) {
        self.restage(conn, Stage::Reachable);
        if let Err(Full) = self.inboxes.watch(now, conn, contacts) {
            self.full(conn);
        }
    }

    pub(super) fn full(&mut self, conn: ConnId) {
        self.error(conn, ErrorCode::ServerFull, "the server is full", Some(SERVER_FULL_RETRY_MS));
    }
}
