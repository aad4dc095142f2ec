//! The one task that owns the [`Rooms`]. Sockets send it messages from a closed enum; it answers into their outboxes and
//! never waits for any of them. One owner rather than a lock around the rooms, because the rooms also have timers: with
//! an owner they live in the same loop, and what one socket does is ordered the same for everyone else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, ServerMessage, wire};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::metrics::Metrics;
use crate::outbox::{Outbox, OutboxFull};
use crate::relay::IceSource;
use crate::rooms::{CloseReason, ConnId, Entropy, IceFor, Origin, Output, Rooms, RoomsConfig, Seed};

/// Messages waiting for the hub; when it is full the sockets wait, and so, through TCP, do their clients.
const HUB_QUEUE: usize = 1024;

pub(crate) enum ToHub {
    Opened {
        conn: ConnId,
        origin: Origin,
        entropy: Entropy,
        host: Option<String>,
        outbox: Arc<Outbox>,
    },
    /// With the time at which its frame arrived.
    Message {
        conn: ConnId,
        message: ClientMessage,
        at: Instant,
    },
    Closed {
        conn: ConnId,
    },
    Drain {
        retry_after: Duration,
    },
    /// Other limits from now on.
    Configure(Box<RoomsConfig>),
}

/// Starts the hub. It ends when every sender is gone.
pub(crate) fn spawn(config: RoomsConfig, ice: IceSource, seed: Seed, metrics: Arc<Metrics>) -> mpsc::Sender<ToHub> {
    let (to_hub, inbound) = mpsc::channel(HUB_QUEUE);
    let hub = Hub { rooms: Rooms::new(config, seed), ice, sockets: HashMap::new(), draining: None, metrics };
    tokio::spawn(hub.run(inbound));
    to_hub
}

struct Hub {
    rooms: Rooms,
    ice: IceSource,
    sockets: HashMap<ConnId, Socket>,
    /// Once the server stops: what sockets are told that were just being opened.
    draining: Option<Duration>,
    metrics: Arc<Metrics>,
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
            let asked_at = tokio::select! {
                message = inbound.recv() => match message {
                    Some(message) => self.handle(message),
                    None => return,
                },
                () = wait_until(due) => {
                    let now = Instant::now();
                    self.rooms.handle_timeout(now);
                    now
                }
            };
            self.drain_outputs(asked_at);
            Metrics::set(&self.metrics.rooms, self.rooms.room_count());
            Metrics::set(&self.metrics.members, self.rooms.member_count());
        }
    }

    /// Gives the time at which this was asked.
    fn handle(&mut self, message: ToHub) -> Instant {
        let now = Instant::now();
        let mut asked_at = now;
        match message {
            ToHub::Opened { conn, origin, entropy, host, outbox } => {
                self.sockets.insert(conn, Socket { outbox, host });
                self.rooms.opened(now, conn, origin, entropy);
                if let Some(retry_after) = self.draining {
                    self.rooms.drain(retry_after);
                }
            }
            ToHub::Message { conn, message, at } => {
                asked_at = at;
                self.rooms.handle(now, conn, message);
            }
            ToHub::Closed { conn } => {
                self.sockets.remove(&conn);
                self.rooms.closed(now, conn);
            }
            ToHub::Drain { retry_after } => {
                self.draining = Some(retry_after);
                self.rooms.drain(retry_after);
            }
            ToHub::Configure(config) => self.rooms.reconfigure(*config),
        }
        tracing::trace!(rooms = self.rooms.room_count(), members = self.rooms.member_count(), "handled");
        asked_at
    }

    fn drain_outputs(&mut self, asked_at: Instant) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Send { conn, message, replay } => {
                    self.count(&message, asked_at);
                    self.send(conn, &message, replay);
                }
                Output::Ice { conn, room, me, message } => {
                    let host = self.sockets.get(&conn).and_then(|socket| socket.host.as_deref());
                    let ice = self.ice.config(&room.0, &me, host);
                    let message = match message {
                        IceFor::Joined { members } => ServerMessage::Joined { me, members, ice },
                        IceFor::Refresh => ServerMessage::Ice { ice },
                    };
                    self.count(&message, asked_at);
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

    fn count(&self, message: &ServerMessage, asked_at: Instant) {
        match message {
            ServerMessage::Joined { .. } => self.metrics.joined(asked_at.elapsed()),
            ServerMessage::Welcome { resumed: Some(_), .. } => Metrics::add(&self.metrics.resumes, 1),
            ServerMessage::From { body, .. } => {
                Metrics::add(&self.metrics.frames, 1);
                Metrics::add(&self.metrics.frame_bytes, u64::try_from(body.len()).unwrap_or(u64::MAX));
            }
            ServerMessage::Error { code, .. } => self.metrics.rejected(code.as_str()),
            _ => {}
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
