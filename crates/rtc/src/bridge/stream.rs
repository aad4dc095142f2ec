//! A stream to a relay: connecting, and what goes over it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::outlet::Shared;
use super::{Transport, framing};

/// How long TCP, and then TLS, may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The system's own queue before a stream: bytes in it can no longer be dropped when they are late. At 3 Mbit/s it holds
/// 170 ms, and lets them through up to a round trip as long.
const SEND_BUFFER: u32 = 64 * 1_024;
/// Bytes written at once: what one TLS record holds.
const BATCH: usize = 16 * 1_024;
const READ_BUFFER: usize = 32 * 1_024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects after `delay` unless the relay answered another way by then, and carries messages until the stream breaks, the
/// outlet closes or another way wins. Returns the way.
pub(super) async fn run(shared: Arc<Shared>, way: usize, addresses: Vec<IpAddr>, delay: Duration) -> usize {
    tokio::time::sleep(delay).await;
    if shared.is_needless(way) {
        return way;
    }
    match connect(&shared, way, &addresses).await {
        Ok(stream) => {
            shared.begin_stream(way);
            if let Err(error) = carry(&shared, way, stream).await {
                let dropped = shared.ways[way].queue().dropped();
                tracing::debug!(kind = ?error.kind(), dropped, "a stream to a relay ended");
            }
        }
        Err(error) => {
            let transport = shared.ways[way].way.transport;
            tracing::debug!(?transport, kind = ?error.kind(), "no stream to a relay");
        }
    }
    way
}

async fn connect(shared: &Shared, way: usize, addresses: &[IpAddr]) -> io::Result<Box<dyn Stream>> {
    let way = shared.ways[way].way;
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let remote = SocketAddr::new(*address, way.port);
        match within(CONNECT, connect_tcp(shared.outside.local.ip(), remote)).await {
            Ok(tcp) if way.transport == Transport::Tls => {
                let connector = shared.bridges.tls.connector().await;
                let name = super::tls::name(&shared.relay().host)?;
                return Ok(Box::new(within(CONNECT, connector.connect(name, tcp)).await?));
            }
            Ok(tcp) => return Ok(Box::new(tcp)),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// From the interface that `local` belongs to.
async fn connect_tcp(local: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if !local.is_unspecified() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nodelay(true)?;
    socket.connect(remote).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn carry(shared: &Shared, way: usize, stream: Box<dyn Stream>) -> io::Result<()> {
    let (read, write) = tokio::io::split(stream);
    tokio::select! {
        ended = receive(shared, way, read) => ended,
        ended = send(shared, way, write) => ended,
    }
}

async fn receive(shared: &Shared, way: usize, mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    let relay = shared.address();
    let mut buffer = BytesMut::with_capacity(READ_BUFFER);
    loop {
        while let Some(message) = framing::take(&mut buffer).map_err(io::Error::other)? {
            if !shared.answered(way) {
                return Ok(());
            }
            // Full: dropped, see the queue's bound.
            let _full = shared.outside.deliver.try_send((relay, message));
        }
        buffer.reserve(READ_BUFFER / 4);
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn send(shared: &Shared, way: usize, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    let open = &shared.ways[way];
    loop {
        let batch = open.queue().take(Instant::now(), BATCH);
        if !batch.is_empty() {
            stream.write_all(&batch).await?;
            stream.flush().await?;
            continue;
        }
        if shared.is_closed() || shared.is_lost(way) {
            return stream.shutdown().await;
        }
        open.filled.notified().await;
    }
}
