//! The stack's runtime: tokio, with sockets that are watched and know the relays.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::socket::BridgedSocket;
use super::{Bridges, NOWHERE, relay_at};
use crate::socket::Watcher;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// tokio's, apart from its UDP sockets and from where relays are. Relays come first: what goes through them is none of the watched
/// sockets' datagrams.
#[derive(Debug)]
pub(crate) struct BridgeRuntime {
    watcher: Watcher,
    bridges: Arc<Bridges>,
}

impl BridgeRuntime {
    pub(crate) fn new(watcher: Watcher, bridges: Arc<Bridges>) -> Self {
        Self { watcher, bridges }
    }
}

impl Runtime for BridgeRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn spawn_reactor(&self, pool_size: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn_reactor(pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if self.bridges.relays.is_empty() {
            return self.watcher.wrap(socket);
        }
        let same = socket.try_clone()?;
        let socket = self.watcher.wrap(socket)?;
        Ok(Arc::new(BridgedSocket::new(socket, same, self.bridges.clone())?))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        TokioRuntime.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        match host.parse::<SocketAddr>().ok().filter(|address| relay_at(*address).is_some()) {
            // A socket of either family takes the one of its own.
            Some(relay) => Box::pin(async move { Ok(vec![relay, SocketAddr::from((NOWHERE.1, relay.port()))]) }),
            None => TokioRuntime.resolve_host(host),
        }
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        TokioRuntime.name()
    }
}
