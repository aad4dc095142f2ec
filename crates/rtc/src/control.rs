//! The data channel for short messages between the two engines.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use crate::error::RtcError;
use crate::events::{Mailbox, PeerEvent};

/// Label of the channel.
pub(crate) const LABEL: &str = "eyeline";
/// Its stream, agreed on beforehand.
pub(crate) const CHANNEL_ID: u16 = 0;
/// Longest message; what every browser takes in one piece.
const MAX_MESSAGE: usize = 16 * 1_024;
/// Unacknowledged bytes after which [`Control::send`] waits.
pub(crate) const SEND_BUFFER: usize = 256 * 1_024;

/// The channel, once there is one.
pub(crate) struct Control {
    mailbox: Arc<Mailbox>,
    channel: Mutex<Option<Arc<dyn DataChannel>>>,
    open: AtomicBool,
}

impl Control {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, channel: Mutex::new(None), open: AtomicBool::new(false) }
    }

    /// Makes `channel` the control channel unless there is one; others are left unread.
    pub(crate) fn adopt(self: &Arc<Self>, channel: Arc<dyn DataChannel>) {
        {
            let mut current = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
            if current.is_some() {
                return;
            }
            *current = Some(channel.clone());
        }
        tokio::spawn(self.clone().read(channel));
    }

    async fn read(self: Arc<Self>, channel: Arc<dyn DataChannel>) {
        while let Some(event) = channel.poll().await {
            match event {
                DataChannelEvent::OnOpen => {
                    self.open.store(true, Relaxed);
                    self.mailbox.post(PeerEvent::ControlOpen);
                }
                DataChannelEvent::OnMessage(message) => self.mailbox.post_control(message.data.freeze()).await,
                DataChannelEvent::OnClose => break,
                _ => {}
            }
        }
        self.open.store(false, Relaxed);
    }

    /// Sends a message, waiting while too much is unacknowledged.
    pub(crate) async fn send(&self, message: Bytes) -> Result<(), RtcError> {
        if message.len() > MAX_MESSAGE || !self.open.load(Relaxed) {
            return Err(RtcError::ControlUnavailable);
        }
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(channel) = channel else { return Err(RtcError::ControlUnavailable) };
        channel.send(BytesMut::from(message)).await.map_err(|_| RtcError::ControlUnavailable)
    }

    /// Makes the stack's task look at its timers again. It does so by itself only for what it was sent or told through some
    /// of its functions: not for a remote candidate, nor at the end of the DTLS handshake, when SCTP begins.
    pub(crate) async fn nudge(&self) {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(channel) = channel {
            // Sets what is set already; the waking is what counts. A channel that is gone needs none.
            let _woken = channel.set_buffered_amount_low_threshold(0).await;
        }
    }

    /// Lets go of the channel, which otherwise keeps the connection alive.
    pub(crate) fn close(&self) {
        self.open.store(false, Relaxed);
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
