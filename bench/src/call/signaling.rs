//! What carries the words of one browser page to the other: as far away as Eyeline's server, and doing no more.

use eyeline_tests::lan::Host;
use eyeline_tests::{Outcome, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::network::SERVER_ADDRESS;

/// A socket to which both pages of a call connect. It ends when this is dropped.
pub(super) struct Signaling {
    task: JoinHandle<()>,
    url: String,
}

impl Signaling {
    /// Listens on the server's machine. Needs a runtime.
    pub(super) fn start(host: &Host) -> Outcome<Self> {
        let listener = host.within(|| std::net::TcpListener::bind((SERVER_ADDRESS, 0)))??;
        listener.set_nonblocking(true)?;
        let url = format!("ws://{}/", listener.local_addr()?);
        let listener = TcpListener::from_std(listener)?;
        let task = tokio::spawn(async move {
            if let Err(failure) = join_two(&listener).await {
                eprintln!("signaling between the pages: {failure:?}");
            }
        });
        Ok(Self { task, url })
    }

    /// Where pages connect.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Signaling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join_two(listener: &TcpListener) -> Outcome {
    let (first_in, first_out) = accept(listener).await?;
    let (second_in, second_out) = accept(listener).await?;
    // Ends when both sides have closed; a page that is gone is no fault.
    let (_, _) = tokio::join!(first_out.forward(second_in), second_out.forward(first_in));
    Ok(())
}

type Halves = (
    futures_util::stream::SplitSink<WebSocketStream<TcpStream>, tokio_tungstenite::tungstenite::Message>,
    futures_util::stream::SplitStream<WebSocketStream<TcpStream>>,
);

async fn accept(listener: &TcpListener) -> Outcome<Halves> {
    let (stream, from) = listener.accept().await?;
    ensure!(!from.ip().is_loopback(), "a page reached the signaling on a way that it should not have");
    stream.set_nodelay(true)?;
    let (mut sink, source) = accept_async(stream).await?.split();
    sink.flush().await?;
    Ok((sink, source))
}
