//! The relay without sockets and without a clock: it is handed what came, from whom and when, and says what is to be sent
//! to whom. It only ever names clients that it heard from, so there is no other address that anything could be sent to.

mod allocation;
mod asker;
mod data;
mod fields;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_types::attribute::{
    ChannelNumber, Data, DontFragment, EvenPort, Lifetime, RequestedAddressFamily, RequestedTransport,
    ReservationToken, XorPeerAddress,
};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};
use turn_types::stun::attribute::{
    AttributeStaticType as _, AttributeType, MessageIntegrity, MessageIntegritySha256, Nonce, Realm,
    Username as UsernameAttribute,
};
use turn_types::stun::message::{BINDING, Message, MessageClass};

use self::allocation::Allocation;
use super::RelayConfig;
use super::caps::{ByteCap, Strangers};
use super::client::{Client, ClientId};
use super::credentials::{GroupId, Secret, UserId, Username};
use super::nonce::Nonces;
use super::stats::RelayStats;
use super::wire::{self, Kind};
use crate::dice::{Dice, Seed};
use crate::rate::Rate;
use crate::timers::Timers;

/// Renewals remembered; when there are more, those that are over are swept out, and if that does not help the newest is
/// not remembered: its credentials are good for their own time.
const RENEWED_MAX: usize = 100_000;
/// Requests of one allocation. A client asks once for each address of the other side and path it tries.
const REQUEST_RATE: Rate = Rate { burst: 200, every: Duration::from_millis(20) };

const KNOWN_ATTRIBUTES: [AttributeType; 14] = [
    UsernameAttribute::TYPE,
    Realm::TYPE,
    Nonce::TYPE,
    MessageIntegrity::TYPE,
    MessageIntegritySha256::TYPE,
    XorPeerAddress::TYPE,
    ChannelNumber::TYPE,
    Data::TYPE,
    Lifetime::TYPE,
    RequestedTransport::TYPE,
    RequestedAddressFamily::TYPE,
    EvenPort::TYPE,
    // Nothing is sent in packets of its own here, so there is nothing to fragment.
    DontFragment::TYPE,
    ReservationToken::TYPE,
];

/// What time it is, on both clocks.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    /// Seconds since 1970, for credentials.
    pub(crate) unix_s: u64,
}

pub(crate) struct Core {
    config: RelayConfig,
    secret: Secret,
    nonces: Nonces,
    dice: Dice,
    allocations: HashMap<ClientId, Allocation>,
    /// By the port of the relayed address.
    by_port: HashMap<u16, ClientId>,
    /// The allocations of a join.
    by_user: HashMap<UserId, Vec<ClientId>>,
    /// Until when credentials of a join are good that were renewed, in Unix time.
    renewed: HashMap<UserId, u64>,
    expiries: Timers<ClientId>,
    total: ByteCap,
    strangers: Strangers,
    /// Those by TCP and TLS, whose addresses cannot be forged: forged ones leave them alone.
    connected_strangers: Strangers,
    indications: u128,
    pub(crate) stats: RelayStats,
}

impl Core {
    pub(crate) fn new(now: Instant, config: RelayConfig, seed: Seed) -> Self {
        let mut dice = Dice::new(seed);
        let secret = match &config.secret {
            Some(text) => Secret::new(text.clone()),
            None => Secret::from_random(dice.bytes()),
        };
        let strangers =
            |dice: &mut Dice| Strangers::new(now, dice.bytes(), config.requests_per_s, config.loopback_exempt);
        Self {
            nonces: Nonces::new(dice.bytes()),
            strangers: strangers(&mut dice),
            connected_strangers: strangers(&mut dice),
            total: ByteCap::new(now, config.total_bytes_per_s),
            secret,
            config,
            dice,
            allocations: HashMap::new(),
            by_port: HashMap::new(),
            by_user: HashMap::new(),
            renewed: HashMap::new(),
            expiries: Timers::default(),
            indications: 0,
            stats: RelayStats::default(),
        }
    }

    /// User name and password for a member, good from now on; asked for again they also keep alive what was allocated
    /// with the ones before.
    pub(crate) fn issue(&mut self, now: Now, room: &[u8], member: &str) -> (String, String) {
        let user = self.secret.user(member);
        let expires_unix_s = now.unix_s + self.config.credential_ttl.as_secs();
        if self.renewed.len() >= RENEWED_MAX {
            self.renewed.retain(|_, until| *until > now.unix_s);
        }
        if self.renewed.len() < RENEWED_MAX {
            self.renewed.insert(user, expires_unix_s);
        }
        let name = Username { expires_unix_s, group: self.secret.group(room), user }.text();
        let password = self.secret.password(&name);
        (name, password)
    }

    /// A member is gone: nothing renews its credentials any more, so that its allocations end with them.
    pub(crate) fn left(&mut self, member: &str) {
        self.renewed.remove(&self.secret.user(member));
    }

    /// Takes a message of a client. What is to be sent is written to `out`, which is empty; returns to whom.
    pub(crate) fn handle(&mut self, now: Now, client: &Client, bytes: &[u8], out: &mut Vec<u8>) -> Option<ClientId> {
        self.expire(now.at);
        if let Some(allocation) = self.allocations.get_mut(&client.id) {
            allocation.heard_at = now.at;
        }
        match wire::kind(bytes) {
            Kind::Channel { number, data } => self.channel_data(now.at, client, number, data, out),
            Kind::Stun => match Message::from_bytes(bytes) {
                Ok(message) => self.message(now, client, &message, out),
                Err(_) => self.malformed(),
            },
            Kind::Junk => self.malformed(),
        }
    }

    fn message(&mut self, now: Now, client: &Client, message: &Message<'_>, out: &mut Vec<u8>) -> Option<ClientId> {
        match (message.class(), message.method()) {
            (MessageClass::Indication, SEND) => self.send_indication(now.at, client, message, out),
            // Keeps a NAT's mapping alive, nothing else.
            (MessageClass::Indication, BINDING) => None,
            (MessageClass::Request, BINDING | ALLOCATE | REFRESH | CREATE_PERMISSION | CHANNEL_BIND) => {
                self.may_ask(now.at, client).then(|| {
                    self.request(now, client, message, out);
                    client.id
                })
            }
            _ => self.malformed(),
        }
    }

    /// A client's connection or socket is gone.
    pub(crate) fn closed(&mut self, client: &ClientId) {
        self.end(client);
    }

    /// Whether a client has an allocation.
    pub(crate) fn has_allocation(&mut self, now: Instant, client: &ClientId) -> bool {
        self.expire(now);
        self.allocations.contains_key(client)
    }

    /// What was counted, as of now.
    pub(crate) fn stats(&mut self, now: Instant) -> RelayStats {
        self.expire(now);
        let allocations_live = u64::try_from(self.allocations.len()).unwrap_or(u64::MAX);
        RelayStats { allocations_live, ..self.stats.clone() }
    }

    fn malformed(&mut self) -> Option<ClientId> {
        self.stats.malformed += 1;
        None
    }

    /// Whether a request is looked at: strangers have a rate per address, others one of their own.
    fn may_ask(&mut self, now: Instant, client: &Client) -> bool {
        if let Some(allocation) = self.allocations.get_mut(&client.id) {
            return allocation.requests.take(now).is_ok();
        }
        self.stats.requests_of_strangers += 1;
        let strangers = if client.id.is_stream() { &mut self.connected_strangers } else { &mut self.strangers };
        let may = strangers.may_ask(now, client.address.ip());
        self.stats.strangers_ignored += u64::from(!may);
        may
    }

    fn expire(&mut self, now: Instant) {
        while let Some(client) = self.expiries.pop_due(now) {
            self.end(&client);
        }
    }

    fn end(&mut self, client: &ClientId) {
        let Some(allocation) = self.allocations.remove(client) else { return };
        self.expiries.cancel(allocation.expires, *client);
        self.by_port.remove(&allocation.relayed.port());
        if let Some(clients) = self.by_user.get_mut(&allocation.user) {
            clients.retain(|other| other != client);
            if clients.is_empty() {
                self.by_user.remove(&allocation.user);
            }
        }
    }

    /// The client of a live allocation of this group with this relayed address.
    fn peer(&self, group: GroupId, relayed: SocketAddr) -> Option<ClientId> {
        let client = self.by_port.get(&relayed.port())?;
        let peer = self.allocations.get(client)?;
        (peer.relayed == relayed && peer.group == group).then_some(*client)
    }
}
