//! What makes the stack's sockets watched ones.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use webrtc::runtime::{AsyncUdpSocket, Runtime as _, TokioRuntime};

use super::watched::WatchedSocket;
use super::{Watch, repeat};
use crate::link::Link;

/// Watches the sockets of one connection.
#[derive(Debug)]
pub(crate) struct Watcher {
    watch: Arc<Watch>,
}

impl Watcher {
    /// Must be called inside a tokio runtime.
    pub(crate) fn new(link: Arc<Link>) -> Self {
        let watch = Arc::new(Watch::new(link));
        tokio::spawn(repeat(Arc::downgrade(&watch)));
        Self { watch }
    }

    /// The socket as tokio drives it, watched.
    pub(crate) fn wrap(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let same = Arc::new(socket.try_clone()?);
        let socket = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Arc::new(WatchedSocket::new(socket, same, self.watch.clone())))
    }
}
