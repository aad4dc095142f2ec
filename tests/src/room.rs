//! A member of a room without an engine: joins by a link, opens and seals bodies.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use eyeline_protocol::inner::Inner;
use eyeline_protocol::wire::{decode_server, encode};
use eyeline_protocol::{ClientMessage, MemberId, ServerMessage, VERSION};
use eyeline_seal::{Client, Identity, Initiator, Kind, Link, LocalCard, PairIds, Responder, RoomKeys, Session};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::raw_client::{Socket, connect};
use crate::{Failure, Outcome};

/// How long the members that were there before us may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A member of a room.
pub struct RoomClient {
    socket: Socket,
    keys: RoomKeys,
    identity: Identity,
    me: MemberId,
    /// Who else is there.
    pub members: Vec<MemberId>,
    sent: BTreeMap<MemberId, u64>,
    heard: BTreeMap<MemberId, u64>,
    begun: BTreeMap<MemberId, Initiator>,
    answered: BTreeMap<MemberId, Responder>,
    sessions: BTreeMap<MemberId, Session>,
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
        let (me, members) = loop {
            if let ServerMessage::Joined { me, members, .. } = receive(&mut socket).await? {
                break (me, members);
            }
        };
        let mut client = Self {
            socket,
            keys,
            identity: Identity::generate(random()?, 1_800_000_000),
            me,
            members: members.clone(),
            sent: BTreeMap::new(),
            heard: BTreeMap::new(),
            begun: BTreeMap::new(),
            answered: BTreeMap::new(),
            sessions: BTreeMap::new(),
        };
        for member in members {
            let ids = PairIds { initiator: client.me.clone(), responder: member.clone() };
            let (begun, first) = Initiator::start(&client.keys, &ids, &client.identity, &card(), random()?);
            client.begun.insert(member.clone(), begun);
            client.say_body(&member, &first).await?;
        }
        while !client.begun.is_empty() {
            let (from, _, body) = timeout(HANDSHAKE, client.hear_body())
                .await
                .map_err(|_| Failure::new("a member does not shake hands"))??;
            client.shake(&from, &body).await?;
        }
        Ok(client)
    }

    /// The session with another member.
    #[must_use]
    pub fn session(&self, member: &MemberId) -> Option<&Session> {
        self.sessions.get(member)
    }

    /// Takes a step of a handshake.
    async fn shake(&mut self, from: &MemberId, body: &str) -> Outcome {
        match eyeline_seal::kind(body) {
            Some(Kind::PairFirst) => {
                let ids = PairIds { initiator: from.clone(), responder: self.me.clone() };
                let (answered, second) = Responder::accept(&self.keys, &ids, &self.identity, &card(), random()?, body)?;
                self.answered.insert(from.clone(), answered);
                self.say_body(from, &second).await
            }
            Some(Kind::PairSecond) => {
                let Some(mut begun) = self.begun.remove(from) else { return Err(Failure::new("nothing was begun")) };
                let (third, session) = begun.read(body)?;
                self.sessions.insert(from.clone(), session);
                self.say_body(from, &third).await
            }
            Some(Kind::PairThird) => {
                let Some(mut answered) = self.answered.remove(from) else {
                    return Err(Failure::new("nothing was answered"));
                };
                self.sessions.insert(from.clone(), answered.finish(body)?);
                Ok(())
            }
            _ => Err(Failure::new("a sealed message before the handshake")),
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
        let Some(session) = self.sessions.get_mut(to) else { return Err(Failure::new("no session with this member")) };
        let body = session.seal(*seq, bytes)?;
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

    /// What another member says next. Keeps the list of members meanwhile, and shakes hands with newcomers. May be dropped
    /// before it is done.
    ///
    /// # Errors
    /// When the socket closes or a body cannot be opened.
    pub async fn hear(&mut self) -> Outcome<(MemberId, Inner)> {
        loop {
            let (from, seq, body) = self.hear_body().await?;
            if eyeline_seal::kind(&body) != Some(Kind::Sealed) {
                self.shake(&from, &body).await?;
                continue;
            }
            let Some(session) = self.sessions.get_mut(&from) else {
                return Err(Failure::new("a sealed message before the handshake"));
            };
            return Ok((from, Inner::decode(&session.open(seq, &body)?)?));
        }
    }

    /// The next body of another member, as it came.
    async fn hear_body(&mut self) -> Outcome<(MemberId, u64, String)> {
        loop {
            match receive(&mut self.socket).await? {
                ServerMessage::From { from, seq, body } => {
                    send(&mut self.socket, &ClientMessage::Ack { from: from.clone(), seq }).await?;
                    let last = self.heard.entry(from.clone()).or_insert(0);
                    if seq > *last {
                        *last = seq;
                        return Ok((from, seq, body));
                    }
                }
                ServerMessage::PeerJoined { id } => self.members.push(id),
                ServerMessage::PeerLeft { id, .. } => self.members.retain(|member| *member != id),
                ServerMessage::Error { code, message, .. } => {
                    return Err(Failure::new(format!("the server says {code}: {message}")));
                }
                _ => {}
            }
        }
    }
}

fn card() -> LocalCard {
    LocalCard::new("Test", Client::Web, ["sas"])
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
