//! One allocation: a port that exists in this process only, and who may reach it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_types::stun::message::TransactionId;

use super::super::caps::ByteCap;
use super::super::credentials::{GroupId, UserId};
use super::super::stats::RelayRefusal;
use crate::rate::Bucket;

/// RFC 8656 section 9.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 section 12.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// Channels of one allocation; a room has 16 members with 4 allocations each. One more is refused.
const CHANNELS_MAX: usize = 64;

pub(super) struct Allocation {
    pub(super) user: UserId,
    pub(super) group: GroupId,
    /// As clients know it; no socket has it.
    pub(super) relayed: SocketAddr,
    /// Of the request that made it, which may come again.
    pub(super) transaction: TransactionId,
    /// What that request was answered.
    pub(super) granted_s: u32,
    /// Of that request. It stays good as long as the allocation lives: some clients do not repeat a refresh at once when
    /// they are told that their nonce is stale, and would lose a running call.
    pub(super) nonce: String,
    pub(super) expires: Instant,
    pub(super) cap: ByteCap,
    /// Requests it may still make.
    pub(super) requests: Bucket,
    /// When its client last said anything.
    pub(super) heard_at: Instant,
    /// Permissions are for IP addresses (RFC 8656 section 9), and all that may be permitted here have the same one.
    permitted_until: Option<Instant>,
    channels: Vec<Channel>,
}

struct Channel {
    number: u16,
    peer_port: u16,
    until: Instant,
}

/// What a new allocation is made of.
pub(super) struct NewAllocation {
    pub(super) user: UserId,
    pub(super) group: GroupId,
    pub(super) relayed: SocketAddr,
    pub(super) transaction: TransactionId,
    pub(super) granted_s: u32,
    pub(super) nonce: String,
    pub(super) expires: Instant,
    pub(super) cap: ByteCap,
    pub(super) requests: Bucket,
    pub(super) heard_at: Instant,
}

impl Allocation {
    pub(super) fn new(new: NewAllocation) -> Self {
        let NewAllocation { user, group, relayed, transaction, granted_s, nonce, expires, cap, requests, heard_at } =
            new;
        Self {
            user,
            group,
            relayed,
            transaction,
            granted_s,
            nonce,
            expires,
            cap,
            requests,
            heard_at,
            permitted_until: None,
            channels: Vec::new(),
        }
    }

    /// Whether its client asked for data from, and may send data to, other allocations.
    pub(super) fn is_permitted(&self, now: Instant) -> bool {
        self.permitted_until.is_some_and(|until| now < until)
    }

    pub(super) fn permit(&mut self, now: Instant) {
        self.permitted_until = Some(now + PERMISSION_LIFETIME);
    }

    /// Binds a channel, or binds it anew; permits as well.
    pub(super) fn bind(&mut self, now: Instant, number: u16, peer_port: u16) -> Result<(), RelayRefusal> {
        self.channels.retain(|channel| now < channel.until);
        let until = now + CHANNEL_LIFETIME;
        let full = self.channels.len() >= CHANNELS_MAX;
        let same = |channel: &&mut Channel| channel.number == number || channel.peer_port == peer_port;
        match self.channels.iter_mut().find(same) {
            Some(channel) if channel.number == number && channel.peer_port == peer_port => channel.until = until,
            Some(_) => return Err(RelayRefusal::BadRequest),
            None if full => return Err(RelayRefusal::Capacity),
            None => self.channels.push(Channel { number, peer_port, until }),
        }
        self.permit(now);
        Ok(())
    }

    /// Whom a channel leads to.
    pub(super) fn peer_of(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        let channel = self.channels.iter().find(|channel| channel.number == number && now < channel.until)?;
        Some(SocketAddr::new(self.relayed.ip(), channel.peer_port))
    }

    /// Through which channel data of this peer goes.
    pub(super) fn channel_of(&self, now: Instant, peer_port: u16) -> Option<u16> {
        let channel = self.channels.iter().find(|channel| channel.peer_port == peer_port && now < channel.until)?;
        Some(channel.number)
    }
}
