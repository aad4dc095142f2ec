//! The one task that owns the [`Rooms`]. Sockets send it messages from a closed enum; it answers into their outboxes and
//! never waits for any of them. One owner rather than a lock around the rooms, because the rooms also have timers: with
//! an owner they live in the same loop, and what one socket does is ordered the same for everyone else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, wire};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::outbox::{Outbox, OutboxFull};
use crate::rooms::{CloseReason, ConnId, Entropy, Origin, Output, Rooms, RoomsConfig, Seed};

/// Messages waiting for the hub; when it is full the sockets wait, and so, through TCP, do their clients.
const HUB_QUEUE: usize = 1024;

pub(crate) enum ToHub {
    Opened { conn: ConnId, origin: Origin, entropy: Entropy, outbox: Arc<Outbox> },
    Message { conn: ConnId, message: ClientMessage },
    Closed { conn: ConnId },
    Drain { retry_after: Duration },
}

/// Starts the hub. It ends when every sender is gone.
pub(crate) fn spawn(config: RoomsConfig, seed: Seed) -> mpsc::Sender<ToHub> {
    let (to_hub, inbound) = mpsc::channel(HUB_QUEUE);
    tokio::spawn(Hub { rooms: Rooms::new(config, seed), outboxes: HashMap::new(), draining: None }.run(inbound));
    to_hub
}

struct Hub {
    rooms: Rooms,
    outboxes: HashMap<ConnId, Arc<Outbox>>,
    /// Once the server stops: what sockets are told that were just being opened.
    draining: Option<Duration>,
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
            ToHub::Opened { conn, origin, entropy, outbox } => {
                self.outboxes.insert(conn, outbox);
                self.rooms.opened(now, conn, origin, entropy);
                if let Some(retry_after) = self.draining {
                    self.rooms.drain(retry_after);
                }
            }
            ToHub::Message { conn, message } => self.rooms.handle(now, conn, message),
            ToHub::Closed { conn } => {
                self.outboxes.remove(&conn);
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
                Output::Send { conn, message, replay } => {
                    let Some(outbox) = self.outboxes.get(&conn) else { continue };
                    if let Err(OutboxFull) = outbox.push(wire::encode(&message), replay) {
                        tracing::debug!(conn = conn.0, "reads too slowly");
                        outbox.abort(CloseReason::TooSlow);
                        self.outboxes.remove(&conn);
                        self.rooms.closed(Instant::now(), conn);
                    }
                }
                Output::Close { conn, why } => {
                    if let Some(outbox) = self.outboxes.remove(&conn) {
                        outbox.close(why);
                    }
                }
            }
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
