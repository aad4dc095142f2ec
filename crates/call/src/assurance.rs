//! What ties one peer connection to the sealed session that set it up: fingerprints, the bind proof, the emoji.

use std::fmt;
use std::time::{Duration, Instant};

use eyeline_seal::sas::{self, SasContext};
use eyeline_seal::{BindRole, DeviceId, PeerCard, Session};

use crate::gate::{Bind, Fingerprint, Gate, GateInput, media_gate};
use crate::refusal::Refusal;
use crate::session::Role;

/// How long the other end may take to say which connection it means, once this one is up.
pub(crate) const BIND_TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of the sealed session at the time the descriptions were exchanged.
#[derive(Clone)]
struct Keys {
    ours: [u8; 32],
    theirs: [u8; 32],
    context: SasContext,
    peer: PeerCard,
}

/// What is known of one peer connection.
#[derive(Clone, Default)]
pub(crate) struct Assurance {
    own: Option<Fingerprint>,
    sealed: Option<Fingerprint>,
    keys: Option<Keys>,
    /// Since when ICE and DTLS are up.
    connected_at: Option<Instant>,
    certificate: Option<Fingerprint>,
    control_open: bool,
    bind_sent: bool,
    /// The other end's proof, should it come before we can check it.
    early_bind: Option<[u8; 32]>,
    bind: Bind,
    pub(crate) sas: Sas,
}

impl fmt::Debug for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assurance")
            .field("described", &(self.own.is_some(), self.sealed.is_some()))
            .field("connected", &self.connected_at.is_some())
            .field("bind_sent", &self.bind_sent)
            .field("bind", &self.bind)
            .field("sas", &self.sas)
            .finish_non_exhaustive()
    }
}

impl Assurance {
    /// The fingerprint in our own description.
    pub(crate) fn describe_own(&mut self, fingerprint: Fingerprint) {
        self.own.get_or_insert(fingerprint);
    }

    /// The fingerprint in the other end's description. It stays the same for the life of the connection.
    pub(crate) fn describe_remote(&mut self, fingerprint: Fingerprint) -> Result<(), Refusal> {
        if *self.sealed.get_or_insert(fingerprint) == fingerprint { Ok(()) } else { Err(Refusal::FingerprintChanged) }
    }

    /// Takes the keys for the proofs from the session that the descriptions went through, once both are known.
    pub(crate) fn derive(&mut self, role: Role, us: DeviceId, session: &Session) {
        let (Some(own), Some(remote), None) = (self.own, self.sealed, &self.keys) else { return };
        let peer = session.peer().clone();
        let (ours, context) = match role {
            Role::Offerer => (BindRole::Offerer, (us, peer.device, own, remote)),
            Role::Answerer => (BindRole::Answerer, (peer.device, us, remote, own)),
        };
        let (offerer, answerer, offerer_fingerprint, answerer_fingerprint) = context;
        let handshake_hash = *session.handshake_hash();
        let mac = |role| session.bind_mac(role, &offerer_fingerprint, &answerer_fingerprint);
        self.keys = Some(Keys {
            ours: mac(ours),
            theirs: mac(ours.other()),
            context: SasContext { handshake_hash, offerer, answerer, offerer_fingerprint, answerer_fingerprint },
            peer,
        });
        if let Some(early) = self.early_bind.take() {
            self.receive_bind(&early);
        }
    }

    /// Who is at the other end, once the descriptions were exchanged.
    pub(crate) fn peer(&self) -> Option<&PeerCard> {
        self.keys.as_ref().map(|keys| &keys.peer)
    }

    /// ICE and DTLS are up, and the other end showed this certificate.
    pub(crate) fn connect(&mut self, now: Instant, certificate: Option<Fingerprint>) {
        self.connected_at.get_or_insert(now);
        self.certificate = certificate;
    }

    pub(crate) fn open_control(&mut self) {
        self.control_open = true;
    }

    /// Our proof, once, as soon as it can be sent.
    pub(crate) fn bind_to_send(&mut self) -> Option<[u8; 32]> {
        let reachable = self.control_open || self.connected_at.is_some();
        let keys = self.keys.as_ref().filter(|_| reachable && !self.bind_sent)?;
        self.bind_sent = true;
        Some(keys.ours)
    }

    /// The other end's proof.
    pub(crate) fn receive_bind(&mut self, proof: &[u8; 32]) {
        match (&self.keys, self.bind) {
            (Some(keys), Bind::Pending) => {
                let same = equal(&keys.theirs, proof);
                self.bind = if same { Bind::Ok } else { Bind::Wrong };
            }
            (None, Bind::Pending) => self.early_bind = Some(*proof),
            (_, Bind::Ok | Bind::Wrong) => {}
        }
    }

    /// The gate's answer.
    pub(crate) fn gate(&self, accepted: bool) -> Gate {
        media_gate(&GateInput {
            accepted,
            dtls_connected: self.connected_at.is_some(),
            certificate: self.certificate,
            sealed: self.sealed,
            bind: self.bind,
        })
    }

    /// When a connection that is up counts as not bound.
    pub(crate) fn bind_deadline(&self) -> Option<Instant> {
        self.connected_at.filter(|_| self.bind == Bind::Pending).map(|at| at + BIND_TIMEOUT)
    }

    pub(crate) fn context(&self) -> Option<&SasContext> {
        self.keys.as_ref().map(|keys| &keys.context)
    }
}

/// Compares without saying by its time where two values differ.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}

/// Agreeing on emoji: commit, nonce, reveal.
///
/// ```text
/// offerer  Idle --commit--> Committed --their nonce: reveal--> Agreed
/// answerer Idle --their commitment: nonce--> Answered --their reveal--> Agreed | Broken
/// ```
#[derive(Clone, Default)]
pub(crate) enum Sas {
    #[default]
    Idle,
    Committed {
        nonce: [u8; 32],
    },
    Answered {
        nonce: [u8; 32],
        commitment: [u8; 32],
    },
    Agreed([u8; 5]),
    Broken,
}

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Committed { .. } => "Committed",
            Self::Answered { .. } => "Answered",
            Self::Agreed(_) => "Agreed",
            Self::Broken => "Broken",
        })
    }
}

impl Sas {
    /// The offerer begins; returns the commitment.
    pub(crate) fn begin(&mut self, nonce: [u8; 32]) -> Option<[u8; 32]> {
        if !matches!(self, Self::Idle) {
            return None;
        }
        *self = Self::Committed { nonce };
        Some(sas::commit(&nonce))
    }

    /// The answerer has the commitment and says its nonce.
    pub(crate) fn commitment(&mut self, role: Role, commitment: [u8; 32], nonce: [u8; 32]) -> Result<(), Refusal> {
        if role != Role::Answerer || !matches!(self, Self::Idle) {
            return Err(Refusal::SasNotDue);
        }
        *self = Self::Answered { nonce, commitment };
        Ok(())
    }

    /// The offerer has the answerer's nonce; returns its own to be revealed.
    pub(crate) fn nonce(&mut self, context: &SasContext, theirs: &[u8; 32]) -> Result<[u8; 32], Refusal> {
        let Self::Committed { nonce } = *self else { return Err(Refusal::SasNotDue) };
        *self = Self::Agreed(sas::emoji(context, &nonce, theirs));
        Ok(nonce)
    }

    /// The answerer has the offerer's nonce.
    pub(crate) fn reveal(&mut self, context: &SasContext, theirs: &[u8; 32]) -> Result<(), Refusal> {
        let Self::Answered { nonce, commitment } = *self else { return Err(Refusal::SasNotDue) };
        if !sas::check_commit(&commitment, theirs) {
            *self = Self::Broken;
            return Err(Refusal::SasCommitment);
        }
        *self = Self::Agreed(sas::emoji(context, theirs, &nonce));
        Ok(())
    }

    pub(crate) fn emoji(&self) -> Option<[u8; 5]> {
        match self {
            Self::Agreed(emoji) => Some(*emoji),
            Self::Idle | Self::Committed { .. } | Self::Answered { .. } | Self::Broken => None,
        }
    }
}
