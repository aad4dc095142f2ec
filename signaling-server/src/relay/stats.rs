//! What the relay counts, for whoever runs it.

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayRefusal {
    /// A field is missing or wrong.
    BadRequest,
    /// No credentials, unknown ones, or expired ones.
    Unauthorized,
    /// The peer is not one of this relay's own live allocations of the same room.
    Forbidden,
    /// A field that has to be understood is not.
    UnknownAttribute,
    /// There is no allocation, or there is one already.
    Mismatch,
    /// The nonce is too old, or another client's.
    StaleNonce,
    /// An address family that is not known.
    Family,
    /// The allocation is another's.
    WrongCredentials,
    /// A relayed transport other than UDP.
    Transport,
    /// The peer has an address of the other family.
    PeerFamily,
    /// As many allocations as a join may have.
    Quota,
    /// The relay is full, or was asked for what it cannot give.
    Capacity,
}

impl RelayRefusal {
    /// All of them, in the order of [`RelayStats::refused`].
    pub const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::UnknownAttribute,
        Self::Mismatch,
        Self::StaleNonce,
        Self::Family,
        Self::WrongCredentials,
        Self::Transport,
        Self::PeerFamily,
        Self::Quota,
        Self::Capacity,
    ];

    /// For metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::UnknownAttribute => "unknown_attribute",
            Self::Mismatch => "mismatch",
            Self::StaleNonce => "stale_nonce",
            Self::Family => "family",
            Self::WrongCredentials => "wrong_credentials",
            Self::Transport => "transport",
            Self::PeerFamily => "peer_family",
            Self::Quota => "quota",
            Self::Capacity => "capacity",
        }
    }

    /// The error code of the answer (RFC 8489 section 14.8, RFC 8656 section 19).
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::UnknownAttribute => 420,
            Self::Mismatch => 437,
            Self::StaleNonce => 438,
            Self::Family => 440,
            Self::WrongCredentials => 441,
            Self::Transport => 442,
            Self::PeerFamily => 443,
            Self::Quota => 486,
            Self::Capacity => 508,
        }
    }
}

/// What a relay has counted since its start, and what it has now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayStats {
    /// Allocations now.
    pub allocations_live: u64,
    /// Allocations made.
    pub allocations_total: u64,
    /// Connections over TCP and TLS now.
    pub streams_live: u64,
    /// Requests refused, by reason, in the order of [`RelayRefusal::ALL`].
    pub refused: [u64; RelayRefusal::ALL.len()],
    /// Requests of clients without an allocation.
    pub requests_of_strangers: u64,
    /// Those of them that were not answered, because an address asked too often.
    pub strangers_ignored: u64,
    /// STUN binding requests answered.
    pub bindings: u64,
    /// Packets handed from one allocation to another.
    pub relayed_packets: u64,
    /// Their payload, in bytes.
    pub relayed_bytes: u64,
    /// Packets dropped because an allocation sent too much.
    pub dropped_by_cap: u64,
    /// Packets dropped because all allocations together sent too much.
    pub dropped_by_total_cap: u64,
    /// Packets dropped because they were for nobody who may get them.
    pub dropped_without_peer: u64,
    /// Packets dropped because the recipient's connection or socket did not take them.
    pub dropped_by_slow_reader: u64,
    /// What was neither STUN nor data of a channel.
    pub malformed: u64,
}

impl RelayStats {
    /// How many requests were refused for this reason.
    #[must_use]
    pub fn refused(&self, why: RelayRefusal) -> u64 {
        let at = RelayRefusal::ALL.iter().position(|known| *known == why);
        at.map_or(0, |at| self.refused[at])
    }

    pub(super) fn count_refusal(&mut self, why: RelayRefusal) {
        if let Some(at) = RelayRefusal::ALL.iter().position(|known| *known == why) {
            self.refused[at] += 1;
        }
    }
}
