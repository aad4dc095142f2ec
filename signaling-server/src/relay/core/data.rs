//! Data from one allocation to another.

use std::net::SocketAddr;
use std::time::Instant;

use turn_types::attribute::{Data, XorPeerAddress};
use turn_types::stun::message::Message;

use super::super::client::{Client, ClientId};
use super::super::wire;
use super::{Core, KNOWN_ATTRIBUTES};

impl Core {
    /// RFC 8656 section 12.6.
    pub(super) fn channel_data(
        &mut self,
        now: Instant,
        client: &Client,
        number: u16,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<ClientId> {
        let peer = self.allocations.get(&client.id).and_then(|allocation| allocation.peer_of(now, number));
        match peer {
            Some(peer) => self.deliver(now, client, peer, data, out),
            None => self.without_peer(),
        }
    }

    /// RFC 8656 section 11.2.
    pub(super) fn send_indication(
        &mut self,
        now: Instant,
        client: &Client,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) -> Option<ClientId> {
        if wire::unknown_attributes(message, &KNOWN_ATTRIBUTES).is_some() {
            return self.malformed();
        }
        let (Ok(peer), Ok(data)) = (message.attribute::<XorPeerAddress>(), message.attribute::<Data<'_>>()) else {
            return self.malformed();
        };
        self.deliver(now, client, peer.addr(message.transaction_id()), data.data(), out)
    }

    fn deliver(
        &mut self,
        now: Instant,
        client: &Client,
        peer: SocketAddr,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<ClientId> {
        let Some((from, to)) = self.path(now, client, peer) else { return self.without_peer() };
        let sender = self.allocations.get_mut(&client.id)?;
        if !sender.cap.take(now, data.len()) {
            self.stats.dropped_by_cap += 1;
            return None;
        }
        if !self.total.take(now, data.len()) {
            self.stats.dropped_by_total_cap += 1;
            return None;
        }
        let recipient = self.allocations.get(&to)?;
        match recipient.channel_of(now, from.port()) {
            Some(number) => wire::write_channel(number, data, to.is_stream(), out),
            None => {
                self.indications += 1;
                wire::write_indication(self.indications, from, data, out);
            }
        }
        self.stats.relayed_packets += 1;
        self.stats.relayed_bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
        Some(to)
    }

    /// From which relayed address to which client, if both ends permitted it.
    fn path(&self, now: Instant, client: &Client, peer: SocketAddr) -> Option<(SocketAddr, ClientId)> {
        let sender = self.allocations.get(&client.id).filter(|sender| sender.is_permitted(now))?;
        let to = self.peer(sender.group, peer)?;
        let recipient = self.allocations.get(&to)?;
        (recipient.is_permitted(now) && recipient.relayed.is_ipv4() == sender.relayed.is_ipv4())
            .then_some((sender.relayed, to))
    }

    fn without_peer(&mut self) -> Option<ClientId> {
        self.stats.dropped_without_peer += 1;
        None
    }
}
