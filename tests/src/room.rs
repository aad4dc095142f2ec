//! A member of a room without an engine: joins by a link, opens and seals bodies.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use eyeline_protocol::inner::Inner;
use eyeline_protocol::wire::{decode_server, encode};
use eyeline_protocol::{ClientMessage, MemberId, ServerMessage, VERSION};
use eyeline_seal::{Link, RoomKeys, Sealer};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::raw_client::{Socket, connect};
use crate::{Failure, Outcome};

/// A member of a room.
pub struct RoomClient {
    socket: Socket,
    sealer: Sealer,
    me: MemberId,
    /// Who else is there.
    pub members: Vec<MemberId>,
    sent: BTreeMap<MemberId, u64>,
    heard: BTreeMap<MemberId, u64>,
}

impl RoomClient {
    /// A link to a new room on a server, given its base address.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn new_link(server: &str) -> Outcome<String> {
        Ok(Link::new(server, random()?)?.to_string())
    }

    /// Joins the room of a link.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(link: &str) -> Outcome<Self> {
        let link = Link::parse(link)?;
        let keys = RoomKeys::derive(link.secret());
        let mut socket = connect(&link.websocket_url()).await?;
        send(&mut socket, &ClientMessage::Hello { v: VERSION, resume: None }).await?;
        send(&mut socket, &ClientMessage::Join { room_id: keys.room_id }).await?;
        loop {
            if let ServerMessage::Joined { me, members, .. } = receive(&mut socket).await? {
                let (sent, heard) = (BTreeMap::new(), BTreeMap::new());
                return Ok(Self { socket, sealer: Sealer::new(&keys), me, members, sent, heard });
            }
        }
    }

    /// Says something to another member.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn say(&mut self, to: &MemberId, inner: &Inner) -> Outcome {
        self.say_bytes(to, &inner.encode()).await
    }

    /// Says any bytes to another member, properly sealed.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn say_bytes(&mut self, to: &MemberId, bytes: &[u8]) -> Outcome {
        let seq = self.sent.entry(to.clone()).or_insert(0);
        *seq += 1;
        let body = self.sealer.seal(&self.me, to, *seq, bytes, random()?)?;
        send(&mut self.socket, &ClientMessage::Send { to: to.clone(), seq: *seq, body }).await
    }

    /// Says a body as it is, which may be no sealed one.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn say_body(&mut self, to: &MemberId, body: &str) -> Outcome {
        let seq = self.sent.entry(to.clone()).or_insert(0);
        *seq += 1;
        send(&mut self.socket, &ClientMessage::Send { to: to.clone(), seq: *seq, body: body.into() }).await
    }

    /// What another member says next. Keeps the list of members meanwhile. May be dropped before it is done.
    ///
    /// # Errors
    /// When the socket closes or a body cannot be opened.
    pub async fn hear(&mut self) -> Outcome<(MemberId, Inner)> {
        loop {
            match receive(&mut self.socket).await? {
                ServerMessage::From { from, seq, body } => {
                    send(&mut self.socket, &ClientMessage::Ack { from: from.clone(), seq }).await?;
                    let last = self.heard.entry(from.clone()).or_insert(0);
                    if seq > *last {
                        *last = seq;
                        let bytes = self.sealer.open(&from, &self.me, seq, &body)?;
                        return Ok((from, Inner::decode(&bytes)?));
                    }
                }
                ServerMessage::PeerJoined { id } => self.members.push(id),
                ServerMessage::PeerLeft { id, .. } => self.members.retain(|member| *member != id),
                ServerMessage::Error { code, message, .. } => {
                    return Err(Failure::new(format!("the server says {code}: {message}")));
                }
                ServerMessage::Welcome { .. }
                | ServerMessage::Joined { .. }
                | ServerMessage::Undeliverable { .. }
                | ServerMessage::GoingAway { .. } => {}
            }
        }
    }
}

async fn send(socket: &mut Socket, message: &ClientMessage) -> Outcome {
    Ok(socket.send(Message::text(encode(message))).await?)
}

async fn receive(socket: &mut Socket) -> Outcome<ServerMessage> {
    loop {
        match socket.next().await {
            None => return Err(Failure::new("the server closed the socket")),
            Some(Ok(Message::Text(text))) => return Ok(decode_server(&text)?),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
