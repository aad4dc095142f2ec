//! Clients by TCP or TLS (RFC 8656 section 3.1): the same messages, one after the other.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Relay;
use super::client::{Client, ClientId};
use super::wire::{Framed, MESSAGE_BYTES_MAX, frame};

/// A connection without an allocation is closed after this.
const WITHOUT_ALLOCATION: Duration = Duration::from_secs(10);
/// A connection that takes nothing for so long is given up.
const WRITE_STALL: Duration = Duration::from_secs(10);
/// What waits for one connection; what comes when it is full is dropped, as by any router. A fifth of a second at
/// 3 Mbit/s: more would only make a call late.
const OUTGOING_BYTES_MAX: usize = 80 * 1024;
/// What is written at once.
const WRITE_BYTES: usize = 16 * 1024;

impl Relay {
    /// Serves one client on this connection: TCP, or TLS that was already set up. Ends when the client closes it, sends
    /// what is no message, takes nothing for 10 s, or has no allocation for 10 s; its allocation ends with it. `peer` is
    /// the client's address, which it is told.
    ///
    /// Returns whether the connection was served; it is not when [`RelayConfig::streams_max`](super::RelayConfig) are.
    pub async fn serve_stream<S>(&self, stream: S, peer: SocketAddr) -> bool
    where
        S: AsyncRead + AsyncWrite,
    {
        self.serve_stream_in(stream, peer, ()).await
    }

    /// As [`Relay::serve_stream`]. `place` is what the connection takes up until it has an allocation; it is dropped then.
    pub(crate) async fn serve_stream_in<S, P>(&self, stream: S, peer: SocketAddr, place: P) -> bool
    where
        S: AsyncRead + AsyncWrite,
    {
        let Some(served) = Served::new(self, peer) else { return false };
        let (reader, writer) = tokio::io::split(stream);
        tokio::select! {
            () = served.read(reader, place) => {}
            () = write(writer, &served.outgoing) => {}
        }
        true
    }
}

/// A connection's entry, as long as it is served.
struct Served<'a> {
    relay: &'a Relay,
    client: Client,
    number: u64,
    outgoing: Arc<Outgoing>,
}

impl<'a> Served<'a> {
    fn new(relay: &'a Relay, peer: SocketAddr) -> Option<Self> {
        let mut state = relay.lock();
        if state.streams.len() >= relay.streams_max {
            return None;
        }
        state.next += 1;
        let number = state.next;
        let outgoing = Arc::new(Outgoing::default());
        state.streams.insert(number, Arc::clone(&outgoing));
        Some(Self { relay, client: Client::stream(number, peer), number, outgoing })
    }

    async fn read<P>(&self, mut reader: impl AsyncRead + Unpin, place: P) {
        let mut place = Some(place);
        let mut buffer = Vec::with_capacity(MESSAGE_BYTES_MAX);
        let mut out = Vec::with_capacity(MESSAGE_BYTES_MAX);
        let mut allocated_at = Instant::now();
        loop {
            match timeout(WITHOUT_ALLOCATION, reader.read_buf(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) if !self.take_messages(&mut buffer, &mut out) => return,
                Ok(Ok(_)) | Err(_) => {}
            }
            let now = Instant::now();
            if self.relay.lock().core.has_allocation(now, &self.client.id) {
                allocated_at = now;
                drop(place.take());
            } else if now.duration_since(allocated_at) >= WITHOUT_ALLOCATION {
                return;
            }
        }
    }

    /// Handles what is whole and leaves the rest in the buffer; whether it could be read.
    fn take_messages(&self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
        let mut done = 0;
        let readable = loop {
            match frame(&buffer[done..]) {
                Framed::Message(len) => {
                    if let Some(route) = self.relay.handle(&self.client, &buffer[done..done + len], out) {
                        self.relay.send(&route, out);
                    }
                    done += len;
                }
                Framed::More => break true,
                Framed::Broken => break false,
            }
        };
        buffer.drain(..done);
        // What is left is less than a message; there is to be room for the rest of it.
        buffer.reserve(MESSAGE_BYTES_MAX);
        readable
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let mut state = self.relay.lock();
        state.streams.remove(&self.number);
        state.core.closed(&ClientId::Stream(self.number));
    }
}

/// What waits to be written to one connection.
#[derive(Default)]
pub(super) struct Outgoing {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Outgoing {
    /// Queues a message, or drops it when [`OUTGOING_BYTES_MAX`] would be exceeded; whether it was queued.
    pub(super) fn push(&self, message: &[u8]) -> bool {
        let mut queue = self.lock();
        let fits = queue.bytes + message.len() <= OUTGOING_BYTES_MAX;
        if fits {
            queue.bytes += message.len();
            queue.messages.push_back(message.to_vec());
        }
        drop(queue);
        self.wake.notify_one();
        fits
    }

    /// Waits for messages, and moves as many as are written at once to `batch`. Cancel safe; for one task.
    async fn next(&self, batch: &mut Vec<u8>) {
        loop {
            if self.pop(batch) {
                return;
            }
            self.wake.notified().await;
        }
    }

    fn pop(&self, batch: &mut Vec<u8>) -> bool {
        let mut queue = self.lock();
        while batch.len() < WRITE_BYTES
            && let Some(message) = queue.messages.pop_front()
        {
            queue.bytes -= message.len();
            batch.extend_from_slice(&message);
        }
        !batch.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No section panics half-way through a change, so a poisoned lock still guards a sound queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, outgoing: &Outgoing) {
    let mut batch = Vec::with_capacity(WRITE_BYTES + MESSAGE_BYTES_MAX);
    loop {
        batch.clear();
        outgoing.next(&mut batch).await;
        let written = timeout(WRITE_STALL, async {
            writer.write_all(&batch).await?;
            writer.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_connection_is_bounded() {
        let outgoing = Outgoing::default();
        let taken = (0..1000).filter(|_| outgoing.push(&[7; 1000])).count();
        assert_eq!(taken, OUTGOING_BYTES_MAX / 1000);
        let mut batch = Vec::new();
        assert!(outgoing.pop(&mut batch));
        assert!((WRITE_BYTES..WRITE_BYTES + MESSAGE_BYTES_MAX).contains(&batch.len()));
        assert!(outgoing.push(&[7; 1000]), "there is room again");
    }
}
