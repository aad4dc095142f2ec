//! Clients by UDP.

use std::io;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::UdpSocket;

use super::Relay;
use super::client::Client;
use super::wire::MESSAGE_BYTES_MAX;

/// What is asked of the system for packets that wait, each way. A tenth of a second at 25 MB/s.
const SOCKET_BUFFER_BYTES: usize = 2_500_000;

impl Relay {
    /// Serves clients on this socket until reading fails. Dropping the future ends it; allocations made over the socket
    /// then wait for their end without being reachable.
    ///
    /// # Errors
    /// What the system says when it cannot read from the socket any more.
    pub async fn serve_udp(&self, socket: UdpSocket) -> io::Result<()> {
        // As much as the system allows; it holds less by default, and then a moment without the processor loses packets.
        SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER_BYTES).ok();
        SockRef::from(&socket).set_send_buffer_size(SOCKET_BUFFER_BYTES).ok();
        let socket = Arc::new(socket);
        let served = Served::new(self, &socket);
        // One byte more than a message may have, so that one that was cut off shows.
        let mut buffer = vec![0; MESSAGE_BYTES_MAX + 1];
        let mut out = Vec::with_capacity(MESSAGE_BYTES_MAX);
        loop {
            let (len, from) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                // Windows says so of a client that is gone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                Err(error) => return Err(error),
            };
            if len > MESSAGE_BYTES_MAX {
                self.lock().core.stats.malformed += 1;
            } else if let Some(route) = self.handle(&Client::datagram(served.number, from), &buffer[..len], &mut out) {
                self.send(&route, &out);
            }
        }
    }
}

/// A socket's entry, as long as it is served.
struct Served<'a> {
    relay: &'a Relay,
    number: u64,
}

impl<'a> Served<'a> {
    fn new(relay: &'a Relay, socket: &Arc<UdpSocket>) -> Self {
        let mut state = relay.lock();
        state.next += 1;
        let number = state.next;
        state.sockets.insert(number, Arc::clone(socket));
        Self { relay, number }
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.relay.lock().sockets.remove(&self.number);
    }
}
