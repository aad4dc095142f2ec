//! The one task that owns the [`Rooms`]. Sockets send it messages from a closed enum; it answers into their outboxes and
//! never waits for any of them. One owner rather than a lock around the rooms, because the rooms also have timers: with
//! an owner they live in the same loop, and what one socket does is ordered the same for everyone else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, ServerMessage, wire};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::outbox::{Outbox, OutboxFull};
use crate::relay::IceSource;
use crate::rooms::{CloseReason, ConnId, Entropy, IceFor, Origin, Output, Rooms, RoomsConfig, Seed};

/// Messages waiting for the hub; when it is full the sockets wait, and so, through TCP, do their clients.
const HUB_QUEUE: usize = 1024;

pub(crate) enum ToHub {
    Opened { conn: ConnId, origin: Origin, entropy: Entropy, host: Option<String>, outbox: Arc<Outbox> },
    Message { conn: ConnId, message: ClientMessage },
    Closed { conn: ConnId },
    Drain { retry_after: Duration },
}

/// Starts the hub. It ends when every sender is gone.
pub(crate) fn spawn(config: RoomsConfig, ice: IceSource, seed: Seed) -> mpsc::Sender<ToHub> {
    let (to_hub, inbound) = mpsc::channel(HUB_QUEUE);
    tokio::spawn(Hub { rooms: Rooms::new(config, seed), ice, sockets: HashMap::new(), draining: None }.run(inbound));
    to_hub
}

struct Hub {
    rooms: Rooms,
    ice: IceSource,
    sockets: HashMap<ConnId, Socket>,
    /// Once the server stops: what sockets are told that were just being opened.
    draining: Option<Duration>,
}

struct Socket {
    outbox: Arc<Outbox>,
    /// The `Host` header it came with.
    host: Option<String>,
}

impl Hub {
    async fn run(mut self, mut inbound: mpsc::Receiver<ToHub>) {
        loop {
            let due = self.rooms.next_timeout();
            tokio::select! {
                message = inbound.recv() => match message {
                    Some(message) => self.handle(message),
                    None => return,
                },
                () = wait_until(due) => self.rooms.handle_timeout(Instant::now()),
            }
            self.drain_outputs();
        }
    }

    fn handle(&mut self, message: ToHub) {
        let now = Instant::now();
        match message {
            ToHub::Opened { conn, origin, entropy, host, outbox } => {
                self.sockets.insert(conn, Socket { outbox, host });
                self.rooms.opened(now, conn, origin, entropy);
                if let Some(retry_after) = self.draining {
                    self.rooms.drain(retry_after);
                }
            }
            ToHub::Message { conn, message } => self.rooms.handle(now, conn, message),
            ToHub::Closed { conn } => {
                self.sockets.remove(&conn);
                self.rooms.closed(now, conn);
            }
            ToHub::Drain { retry_after } => {
                self.draining = Some(retry_after);
                self.rooms.drain(retry_after);
            }
        }
        tracing::trace!(rooms = self.rooms.room_count(), members = self.rooms.member_count(), "handled");
    }

    fn drain_outputs(&mut self) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Send { conn, message, replay } => self.send(conn, &message, replay),
                Output::Ice { conn, room, me, message } => {
                    let host = self.sockets.get(&conn).and_then(|socket| socket.host.as_deref());
                    let ice = self.ice.config(&room.0, &me, host);
                    let message = match message {
                        IceFor::Joined { members } => ServerMessage::Joined { me, members, ice },
                        IceFor::Refresh => ServerMessage::Ice { ice },
                    };
                    self.send(conn, &message, false);
                }
                Output::Left { member } => self.ice.left(&member),
                Output::Close { conn, why } => {
                    if let Some(socket) = self.sockets.remove(&conn) {
                        socket.outbox.close(why);
                    }
                }
            }
        }
    }

    fn send(&mut self, conn: ConnId, message: &ServerMessage, replay: bool) {
        let Some(socket) = self.sockets.get(&conn) else { return };
        if let Err(OutboxFull) = socket.outbox.push(wire::encode(message), replay) {
            tracing::debug!(conn = conn.0, "reads too slowly");
            socket.outbox.abort(CloseReason::TooSlow);
            self.sockets.remove(&conn);
            self.rooms.closed(Instant::now(), conn);
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
