//! Getting to know the person at the other end: the emoji, and becoming contacts.

use eyeline_protocol::MemberId;
use eyeline_protocol::inner::{Bytes32, Inner, SessionId};

use super::{Call, Stage};
use crate::output::{ContactMessage, Output};
use crate::refusal::Refusal;
use crate::session::{Role, Session};

impl Call {
    /// The offerer commits as soon as the call runs, so that the emoji are there when somebody wants to look.
    pub(super) fn begin_verification(&mut self) {
        let nonce = self.entropy.take();
        let Stage::Talking { session, .. } = &mut self.stage else { return };
        if session.role != Role::Offerer {
            return;
        }
        if let Some(commitment) = session.assurance.sas.begin(nonce) {
            let (id, recipients) = (session.id.clone(), session.recipients());
            self.send_to(&recipients, &Inner::SasCommit { session: id, commitment: Bytes32(commitment) });
        }
    }

    pub(super) fn handle_commitment(&mut self, from: &MemberId, id: &SessionId, commitment: [u8; 32]) {
        let nonce = self.entropy.take();
        // The offerer's gate may open before ours, so its commitment may come before our call runs.
        let Some(session) = self.current_with(from, id) else { return };
        match session.assurance.sas.commitment(session.role, commitment, nonce) {
            Ok(()) => self
                .send_to(std::slice::from_ref(from), &Inner::SasNonce { session: id.clone(), nonce: Bytes32(nonce) }),
            Err(refusal) => self.refused(refusal),
        }
    }

    pub(super) fn handle_nonce(&mut self, from: &MemberId, id: &SessionId, theirs: &[u8; 32]) {
        let Some(session) = self.current_with(from, id) else { return };
        match with_context(session, |sas, context| sas.nonce(context, theirs)) {
            Ok(nonce) => {
                self.send_to(
                    std::slice::from_ref(from),
                    &Inner::SasReveal { session: id.clone(), nonce: Bytes32(nonce) },
                );
                self.changed();
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    pub(super) fn handle_reveal(&mut self, from: &MemberId, id: &SessionId, theirs: &[u8; 32]) {
        let Some(session) = self.current_with(from, id) else { return };
        match with_context(session, |sas, context| sas.reveal(context, theirs)) {
            Ok(()) => self.changed(),
            Err(refusal) => self.refused(refusal),
        }
    }

    pub(super) fn handle_contact(&mut self, from: &MemberId, inner: Inner) {
        let Stage::Talking { session, .. } = &self.stage else { return };
        if !session.concerns(from) {
            return;
        }
        let message = match inner {
            Inner::ContactRequest { card } => ContactMessage::Request(card),
            Inner::ContactAccept { card } => ContactMessage::Accept(card),
            Inner::ContactDecline => ContactMessage::Decline,
            _ => return,
        };
        self.outputs.push_back(Output::Contact(message));
    }

    pub(super) fn send_contact(&mut self, message: ContactMessage) {
        let Stage::Talking { session, .. } = &self.stage else { return };
        let recipients = session.recipients();
        let inner = match message {
            ContactMessage::Request(card) => Inner::ContactRequest { card },
            ContactMessage::Accept(card) => Inner::ContactAccept { card },
            ContactMessage::Decline => Inner::ContactDecline,
        };
        self.send_to(&recipients, &inner);
    }
}

fn with_context<T>(
    session: &mut Session,
    step: impl FnOnce(&mut crate::assurance::Sas, &eyeline_seal::sas::SasContext) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let context = *session.assurance.context().ok_or(Refusal::SasNotDue)?;
    step(&mut session.assurance.sas, &context)
}
