//! What requests say.

use std::net::SocketAddr;

use turn_types::AddressFamily;
use turn_types::attribute::{
    AdditionalAddressFamily, EvenPort, RequestedAddressFamily, RequestedTransport, ReservationToken, XorPeerAddress,
};
use turn_types::stun::attribute::{Attribute as _, AttributeFromRaw, AttributeStaticType};
use turn_types::stun::message::{Message, StunParseError};

use super::super::stats::RelayRefusal;

/// What an Allocate request asks for.
pub(super) struct Wish {
    pub(super) family: AddressFamily,
    pub(super) even: bool,
    /// An IPv6 address besides, which is not given.
    pub(super) additional: bool,
}

impl Wish {
    pub(super) fn read(request: &Message<'_>) -> Result<Self, RelayRefusal> {
        let transport = required::<RequestedTransport>(request)?;
        if transport.protocol() != RequestedTransport::UDP {
            return Err(RelayRefusal::Transport);
        }
        let even = optional::<EvenPort>(request)?;
        let reserved = request.has_attribute(ReservationToken::TYPE);
        let additional = request.has_attribute(AdditionalAddressFamily::TYPE);
        let requested = request.has_attribute(RequestedAddressFamily::TYPE);
        if (reserved && (even.is_some() || requested || additional)) || (requested && additional) {
            return Err(RelayRefusal::BadRequest);
        }
        // Ports come one by one; nothing is set aside for later.
        if reserved || even.as_ref().is_some_and(EvenPort::requested) {
            return Err(RelayRefusal::Capacity);
        }
        let family = request.attribute::<RequestedAddressFamily>();
        let family = match family {
            Ok(wanted) => wanted.family(),
            Err(_) if requested => return Err(RelayRefusal::Family),
            Err(_) => AddressFamily::IPV4,
        };
        Ok(Self { family, even: even.is_some(), additional })
    }
}

/// All peers that a request names, at least one.
pub(super) fn peers(request: &Message<'_>) -> Result<Vec<SocketAddr>, RelayRefusal> {
    let named = request.iter_attributes().filter(|(_, attribute)| attribute.get_type() == XorPeerAddress::TYPE);
    let peers: Result<Vec<SocketAddr>, _> =
        named.map(|(_, attribute)| Ok(XorPeerAddress::try_from(&attribute)?.addr(request.transaction_id()))).collect();
    let peers = peers.map_err(|_: StunParseError| RelayRefusal::BadRequest)?;
    if peers.is_empty() { Err(RelayRefusal::BadRequest) } else { Ok(peers) }
}

pub(super) fn required<'a, A>(request: &'a Message<'a>) -> Result<A, RelayRefusal>
where
    A: AttributeFromRaw<'a> + AttributeStaticType,
{
    request.attribute::<A>().map_err(|_| RelayRefusal::BadRequest)
}

pub(super) fn optional<'a, A>(request: &'a Message<'a>) -> Result<Option<A>, RelayRefusal>
where
    A: AttributeFromRaw<'a> + AttributeStaticType,
{
    if request.has_attribute(A::TYPE) { required(request).map(Some) } else { Ok(None) }
}
