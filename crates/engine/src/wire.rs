//! A machine's socket: carries out what it asks for, and knows which notes are its own.

use std::sync::atomic::{AtomicU64, Ordering};

use eyeline_call::{SocketCommand, SocketInput};
use tokio::sync::mpsc;

use crate::actor::Note;
use crate::socket::Socket;

/// Connection attempts of this process, so that each has a number of its own.
static ATTEMPTS: AtomicU64 = AtomicU64::new(1);

/// The socket of one machine, through all its attempts.
#[derive(Debug)]
pub(crate) struct Wire {
    url: String,
    notes: mpsc::Sender<Note>,
    socket: Option<Socket>,
}

impl Wire {
    /// To `url` (`ws://…` or `wss://…`).
    pub(crate) fn new(url: String, notes: mpsc::Sender<Note>) -> Self {
        Self { url, notes, socket: None }
    }

    /// Whether notes of this attempt are for the machine.
    pub(crate) fn is(&self, attempt: u64) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.attempt == attempt)
    }

    /// Carries out a command; what the machine must be told at once, if something.
    pub(crate) fn apply(&mut self, command: SocketCommand) -> Option<SocketInput> {
        match command {
            SocketCommand::Connect => {
                let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
                self.socket = Some(Socket::connect(self.url.clone(), attempt, self.notes.clone()));
                None
            }
            SocketCommand::Send(frame) => {
                let sent = self.socket.as_ref().is_some_and(|socket| socket.send(frame));
                (!sent && self.socket.take().is_some()).then_some(SocketInput::Closed)
            }
            // The task sends what is queued and closes by itself.
            SocketCommand::Close => {
                drop(self.socket.take());
                None
            }
        }
    }

    /// The network changed: finds out whether the server is still there. What the machine must be told comes back.
    pub(crate) fn network_changed(&self) -> SocketInput {
        if let Some(socket) = &self.socket {
            socket.check();
        }
        SocketInput::NetworkChanged
    }

    /// Sends what is queued and closes.
    pub(crate) async fn finish(mut self) {
        if let Some(socket) = self.socket.take() {
            socket.close().await;
        }
    }
}
