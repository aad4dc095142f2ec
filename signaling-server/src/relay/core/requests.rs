//! Requests, and what becomes of them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use turn_types::AddressFamily;
use turn_types::attribute::{
    AddressErrorCode, ChannelNumber, Lifetime, RequestedAddressFamily, XorPeerAddress, XorRelayedAddress,
};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH};
use turn_types::stun::attribute::{AttributeWrite, ErrorCode, XorMappedAddress};
use turn_types::stun::message::{BINDING, Message};

use super::super::caps::ByteCap;
use super::super::client::{Client, ClientId};
use super::super::stats::RelayRefusal;
use super::super::wire::{self, CHANNELS};
use super::allocation::{Allocation, NewAllocation};
use super::asker::Asker;
use super::fields::{Wish, optional, peers, required};
use super::{Core, KNOWN_ATTRIBUTES, Now, REQUEST_RATE};
use crate::rate::Bucket;

/// Relayed ports, those that RFC 8656 section 7.2 asks for. They are names only.
const PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;
const PORTS_COUNT: u32 = 16_384;

/// An allocation from which nothing came for so long may be replaced by another of the same join. Whatever a call goes
/// over is checked every few seconds.
const SILENT: Duration = Duration::from_secs(5);

/// What is in an answer besides signature and fingerprint.
type Attributes = Vec<Box<dyn AttributeWrite>>;

impl Core {
    pub(super) fn request(&mut self, now: Now, client: &Client, request: &Message<'_>, out: &mut Vec<u8>) {
        if request.method() == BINDING {
            self.stats.bindings += 1;
            let mapped = XorMappedAddress::new(client.address, request.transaction_id());
            return wire::write_success(request, &[&mapped], None, out);
        }
        let asker = match self.authenticate(now, client, request) {
            Ok(asker) => asker,
            Err(why) => return self.refuse_stranger(now, client, request, why, out),
        };
        if let Some(unknown) = wire::unknown_attributes(request, &KNOWN_ATTRIBUTES) {
            let why = RelayRefusal::UnknownAttribute;
            self.stats.count_refusal(why);
            return wire::write_error(request, why.code(), &[&unknown], Some(&asker.key), out);
        }
        let done = match request.method() {
            ALLOCATE => self.allocate(now, client, request, &asker),
            REFRESH => self.refresh(now, client, request, &asker),
            CREATE_PERMISSION => self.create_permission(now, client, request, &asker),
            CHANNEL_BIND => self.channel_bind(now, client, request, &asker),
            _ => Err(RelayRefusal::BadRequest),
        };
        match done {
            Ok(attributes) => {
                let attributes: Vec<&dyn AttributeWrite> = attributes.iter().map(AsRef::as_ref).collect();
                wire::write_success(request, &attributes, Some(&asker.key), out);
            }
            Err(why) => {
                self.stats.count_refusal(why);
                wire::write_error(request, why.code(), &[], Some(&asker.key), out);
            }
        }
    }

    /// RFC 8656 section 7.2.
    fn allocate(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        asker: &Asker,
    ) -> Result<Attributes, RelayRefusal> {
        if let Some(allocation) = self.allocations.get(&client.id) {
            let repeated = allocation.transaction == request.transaction_id() && allocation.user == asker.name.user;
            return if repeated { Ok(allocated(allocation, client, request)) } else { Err(RelayRefusal::Mismatch) };
        }
        let wish = Wish::read(request)?;
        self.make_room(now.at, asker)?;
        let port = self.free_port(wish.even).ok_or(RelayRefusal::Capacity)?;
        let ip = match wish.family {
            AddressFamily::IPV4 => IpAddr::V4(self.config.relayed_v4),
            AddressFamily::IPV6 => IpAddr::V6(self.config.relayed_v6),
        };
        let lifetime = self.lifetime(asker);
        let expires = now.at + lifetime;
        let allocation = Allocation::new(NewAllocation {
            user: asker.name.user,
            group: asker.name.group,
            relayed: SocketAddr::new(ip, port),
            transaction: request.transaction_id(),
            granted_s: seconds(lifetime),
            nonce: asker.nonce.clone(),
            expires,
            cap: ByteCap::new(now.at, self.config.allocation_bytes_per_s),
            requests: Bucket::new(now.at, REQUEST_RATE),
            heard_at: now.at,
        });
        let mut attributes = allocated(&allocation, client, request);
        if wish.additional {
            let error = ErrorCode::new(RelayRefusal::Family.code(), "").expect("440 is a code");
            attributes.push(Box::new(AddressErrorCode::new(AddressFamily::IPV6, error)));
        }
        self.allocations.insert(client.id, allocation);
        self.by_port.insert(port, client.id);
        self.by_user.entry(asker.name.user).or_default().push(client.id);
        self.expiries.set(expires, client.id);
        self.stats.allocations_total += 1;
        Ok(attributes)
    }

    /// RFC 8656 section 8.2.
    fn refresh(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        asker: &Asker,
    ) -> Result<Attributes, RelayRefusal> {
        let is_v4 = self.own(client, asker)?.relayed.is_ipv4();
        match optional::<RequestedAddressFamily>(request)?.map(|wanted| wanted.family()) {
            Some(family) if (family == AddressFamily::IPV4) != is_v4 => return Err(RelayRefusal::PeerFamily),
            Some(_) | None => {}
        }
        if optional::<Lifetime>(request)?.is_some_and(|wanted| wanted.seconds() == 0) {
            self.end(&client.id);
            return Ok(vec![Box::new(Lifetime::new(0))]);
        }
        let lifetime = self.lifetime(asker);
        let expires = now.at + lifetime;
        let allocation = self.own(client, asker)?;
        let before = std::mem::replace(&mut allocation.expires, expires);
        self.expiries.cancel(before, client.id);
        self.expiries.set(expires, client.id);
        Ok(vec![Box::new(Lifetime::new(seconds(lifetime)))])
    }

    /// RFC 8656 section 10.2. One peer that is still there is enough: a client that refreshes its permissions names those
    /// that have gone as well.
    fn create_permission(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        asker: &Asker,
    ) -> Result<Attributes, RelayRefusal> {
        self.own(client, asker)?;
        let peers = peers(request)?;
        let mut refused = RelayRefusal::Forbidden;
        let mut live = false;
        for peer in peers {
            match self.allowed_peer(client, asker, peer) {
                Ok(()) => live = true,
                Err(_) if !self.config.is_relayed(peer.ip()) => return Err(RelayRefusal::Forbidden),
                Err(why) => refused = why,
            }
        }
        if !live {
            return Err(refused);
        }
        self.own(client, asker)?.permit(now.at);
        Ok(Vec::new())
    }

    /// RFC 8656 section 12.2.
    fn channel_bind(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        asker: &Asker,
    ) -> Result<Attributes, RelayRefusal> {
        self.own(client, asker)?;
        let number = required::<ChannelNumber>(request)?.channel();
        let peer = required::<XorPeerAddress>(request)?.addr(request.transaction_id());
        if !CHANNELS.contains(&number) {
            return Err(RelayRefusal::BadRequest);
        }
        self.allowed_peer(client, asker, peer)?;
        self.own(client, asker)?.bind(now.at, number, peer.port())?;
        Ok(Vec::new())
    }

    /// A join has so many allocations. One more takes the place of the one that has been silent for longest: a machine
    /// that changed its network comes from another address, and cannot say that the allocations it had are void.
    fn make_room(&mut self, now: Instant, asker: &Asker) -> Result<(), RelayRefusal> {
        let clients = self.by_user.get(&asker.name.user).map_or(&[][..], Vec::as_slice);
        if clients.len() < self.config.allocations_per_join {
            return Ok(());
        }
        let heard_at = |client: &ClientId| self.allocations.get(client).map(|allocation| allocation.heard_at);
        let silent = clients.iter().copied().min_by_key(heard_at);
        match silent.filter(|client| heard_at(client).is_some_and(|at| now.duration_since(at) >= SILENT)) {
            Some(silent) => {
                self.end(&silent);
                Ok(())
            }
            None => Err(RelayRefusal::Quota),
        }
    }

    /// The asker's own allocation.
    fn own(&mut self, client: &Client, asker: &Asker) -> Result<&mut Allocation, RelayRefusal> {
        let allocation = self.allocations.get_mut(&client.id).ok_or(RelayRefusal::Mismatch)?;
        if allocation.user == asker.name.user { Ok(allocation) } else { Err(RelayRefusal::WrongCredentials) }
    }

    /// The heart of a closed relay: a peer is another live allocation of the same room, or it is refused.
    fn allowed_peer(&self, client: &Client, asker: &Asker, peer: SocketAddr) -> Result<(), RelayRefusal> {
        let is_v4 = self.allocations.get(&client.id).is_some_and(|own| own.relayed.is_ipv4());
        match self.peer(asker.name.group, peer) {
            Some(_) if peer.is_ipv4() != is_v4 => Err(RelayRefusal::PeerFamily),
            Some(_) => Ok(()),
            None => Err(RelayRefusal::Forbidden),
        }
    }

    /// The longest that settings and credentials allow. What was asked for does not matter: a shorter lifetime than 600 s
    /// is not granted on request (RFC 8656 section 7.2), and a longer one not at all.
    fn lifetime(&self, asker: &Asker) -> Duration {
        self.config.lifetime_max.min(asker.good_for).max(Duration::from_secs(1))
    }

    fn free_port(&mut self, even: bool) -> Option<u16> {
        if self.allocations.len() >= self.config.allocations_max {
            return None;
        }
        let start = u16::try_from(self.dice.below(PORTS_COUNT)).expect("fewer ports than numbers");
        let wrapped = (PORTS.start() + start..=*PORTS.end()).chain(*PORTS.start()..PORTS.start() + start);
        wrapped.into_iter().find(|port| !self.by_port.contains_key(port) && (!even || port.is_multiple_of(2)))
    }
}

fn allocated(allocation: &Allocation, client: &Client, request: &Message<'_>) -> Attributes {
    let transaction = request.transaction_id();
    vec![
        Box::new(XorRelayedAddress::new(allocation.relayed, transaction)),
        Box::new(Lifetime::new(allocation.granted_s)),
        Box::new(XorMappedAddress::new(client.address, transaction)),
    ]
}

fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}
