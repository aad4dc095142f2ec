//! The stack's runtime, with sockets that know the relays.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

use super::socket::BridgedSocket;
use super::{Bridges, NOWHERE, relay_at};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Another runtime, apart from its UDP sockets and from where relays are.
#[derive(Debug)]
pub(crate) struct BridgeRuntime {
    inner: Arc<dyn Runtime>,
    bridges: Arc<Bridges>,
}

impl BridgeRuntime {
    pub(crate) fn new(inner: Arc<dyn Runtime>, bridges: Arc<Bridges>) -> Self {
        Self { inner, bridges }
    }
}

impl Runtime for BridgeRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn spawn_reactor(&self, pool_size: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn_reactor(pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if self.bridges.relays.is_empty() {
            return self.inner.wrap_udp_socket(socket);
        }
        let same = socket.try_clone()?;
        let socket = self.inner.wrap_udp_socket(socket)?;
        Ok(Arc::new(BridgedSocket::new(socket, same, self.bridges.clone())?))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        match host.parse::<SocketAddr>().ok().filter(|address| relay_at(*address).is_some()) {
            // A socket of either family takes the one of its own.
            Some(relay) => Box::pin(async move { Ok(vec![relay, SocketAddr::from((NOWHERE.1, relay.port()))]) }),
            None => self.inner.resolve_host(host),
        }
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.inner.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.inner.yield_now()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}
