//! What a connection tells the engine, and the mailbox that carries it from the network task.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use eyeline_media::frame::VideoCodec;
use eyeline_media::units::Bitrate;
use tokio::sync::Notify;

/// State of the whole connection: ICE and DTLS together (W3C `RTCPeerConnectionState`).
///
/// ```text
/// Connecting -> Connected <-> Disconnected -> Failed     (any) -> Closed
///                   ^------------------------- Connecting (ICE restart)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Looking for a path, or shaking hands.
    Connecting,
    /// Media flows.
    Connected,
    /// Nothing was heard for two and a half seconds; may come back by itself or by an ICE restart.
    Disconnected,
    /// Given up; only an ICE restart helps.
    Failed,
    /// [`Peer::close`](crate::Peer::close) was called.
    Closed,
}

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// Straight between the two machines.
    Direct,
    /// Through a TURN relay on either side; ours, if it is one of ours, is reached over UDP.
    Relayed,
    /// Through a TURN relay that we reach over TCP.
    RelayedTcp,
    /// Through a TURN relay that we reach over TLS.
    RelayedTls,
}

/// What happened on a connection.
#[derive(Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// A path of ours to tell the other side: JSON of `RTCIceCandidateInit`.
    LocalCandidate(String),
    /// No more candidates will come, until an ICE restart.
    CandidatesDone,
    /// The connection's state changed.
    State(PeerState),
    /// The kind of path in use became known or changed.
    Path(PathKind),
    /// The path leads through a relay over TCP or TLS, and UDP passes (again): an ICE restart would find a better one.
    BetterPath,
    /// The other side cannot go on without a keyframe. Requests in quick succession are merged.
    KeyframeRequested,
    /// The other side lacks pictures, or we dropped one that it would have needed: the next one is to be predicted from a
    /// picture that it has ([`Peer::is_acknowledged`](crate::Peer::is_acknowledged)), or to be a keyframe. Requests in quick
    /// succession are merged, also with those for a keyframe.
    RecoveryRequested,
    /// The rate the video encoder may make has changed: what is left of the estimate
    /// ([`PeerStats::estimate`](crate::PeerStats::estimate)) after sound, retransmissions, parity and headers, all as
    /// measured. Nothing more is to be taken off it. Only the newest value is kept.
    TargetBitrate(Bitrate),
    /// Messages can be sent on the control channel from now on.
    ControlOpen,
    /// A message on the control channel.
    Control(Bytes),
    /// The other side's proof ([`Peer::send_proof`](crate::Peer::send_proof)). Only the newest is kept.
    Proof([u8; 32]),
    /// Negotiation settled which codec to send.
    VideoCodec(VideoCodec),
}

impl fmt::Debug for PeerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalCandidate(_) => f.write_str("LocalCandidate(redacted)"),
            Self::CandidatesDone => f.write_str("CandidatesDone"),
            Self::State(state) => write!(f, "State({state:?})"),
            Self::Path(kind) => write!(f, "Path({kind:?})"),
            Self::BetterPath => f.write_str("BetterPath"),
            Self::KeyframeRequested => f.write_str("KeyframeRequested"),
            Self::RecoveryRequested => f.write_str("RecoveryRequested"),
            Self::TargetBitrate(rate) => write!(f, "TargetBitrate({rate})"),
            Self::ControlOpen => f.write_str("ControlOpen"),
            Self::Control(bytes) => write!(f, "Control({} bytes)", bytes.len()),
            Self::Proof(_) => f.write_str("Proof(redacted)"),
            Self::VideoCodec(codec) => write!(f, "VideoCodec({codec:?})"),
        }
    }
}

/// Events in order that wait to be read. When full, a candidate is dropped (others will do) and a control message waits;
/// states and codecs are few enough never to fill it.
const ORDERED_EVENTS: usize = 256;

/// The receiving end of a connection's events.
#[derive(Debug)]
pub struct PeerEvents(Arc<Mailbox>);

impl PeerEvents {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self(mailbox)
    }

    /// The next event; `None` once the connection is closed and everything was read.
    pub async fn recv(&mut self) -> Option<PeerEvent> {
        loop {
            {
                let mut pending = self.0.lock();
                if let Some(event) = pending.take() {
                    self.0.room.notify_one();
                    return Some(event);
                }
                if pending.ended {
                    return None;
                }
            }
            self.0.filled.notified().await;
        }
    }
}

/// Between the network task, which must never wait, and whoever reads [`PeerEvents`].
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pending: Mutex<Pending>,
    filled: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    ordered: VecDeque<PeerEvent>,
    keyframe: bool,
    recovery: bool,
    proof: Option<[u8; 32]>,
    target: Option<Bitrate>,
    ended: bool,
}

impl Pending {
    fn take(&mut self) -> Option<PeerEvent> {
        if let Some(event) = self.ordered.pop_front() {
            return Some(event);
        }
        if let Some(proof) = self.proof.take() {
            return Some(PeerEvent::Proof(proof));
        }
        let recovery = std::mem::take(&mut self.recovery);
        if std::mem::take(&mut self.keyframe) {
            return Some(PeerEvent::KeyframeRequested);
        }
        if recovery {
            return Some(PeerEvent::RecoveryRequested);
        }
        self.target.take().map(PeerEvent::TargetBitrate)
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event, merging those of which only the newest matters.
    pub(crate) fn post(&self, event: PeerEvent) {
        {
            let mut pending = self.lock();
            match event {
                PeerEvent::KeyframeRequested => pending.keyframe = true,
                PeerEvent::RecoveryRequested => pending.recovery = true,
                PeerEvent::Proof(proof) => pending.proof = Some(proof),
                PeerEvent::TargetBitrate(rate) => pending.target = Some(rate),
                other if pending.ordered.len() < ORDERED_EVENTS => pending.ordered.push_back(other),
                other => tracing::warn!(event = ?other, "event queue full, event dropped"),
            }
        }
        self.filled.notify_one();
    }

    /// Adds a control message, waiting for room so that none is lost.
    pub(crate) async fn post_control(&self, message: Bytes) {
        loop {
            {
                let mut pending = self.lock();
                if pending.ended {
                    return;
                }
                if pending.ordered.len() < ORDERED_EVENTS / 2 {
                    pending.ordered.push_back(PeerEvent::Control(message));
                    break;
                }
            }
            self.room.notified().await;
        }
        self.filled.notify_one();
    }

    /// No more events will come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.filled.notify_one();
        self.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn merges_what_only_matters_once() {
        let mailbox = Arc::new(Mailbox::default());
        let mut events = PeerEvents::new(mailbox.clone());
        mailbox.post(PeerEvent::TargetBitrate(Bitrate::from_kbps(1)));
        mailbox.post(PeerEvent::KeyframeRequested);
        mailbox.post(PeerEvent::TargetBitrate(Bitrate::from_kbps(2)));
        mailbox.post(PeerEvent::KeyframeRequested);
        mailbox.post(PeerEvent::State(PeerState::Connected));
        mailbox.end();
        assert_eq!(events.recv().await, Some(PeerEvent::State(PeerState::Connected)));
        assert_eq!(events.recv().await, Some(PeerEvent::KeyframeRequested));
        assert_eq!(events.recv().await, Some(PeerEvent::TargetBitrate(Bitrate::from_kbps(2))));
        assert_eq!(events.recv().await, None);
    }

    #[tokio::test]
    async fn control_waits_for_room() {
        let mailbox = Arc::new(Mailbox::default());
        let mut events = PeerEvents::new(mailbox.clone());
        let writer = tokio::spawn({
            let mailbox = mailbox.clone();
            async move {
                for n in 0..1_000_u16 {
                    mailbox.post_control(Bytes::from(n.to_be_bytes().to_vec())).await;
                }
                mailbox.end();
            }
        });
        for n in 0..1_000_u16 {
            assert_eq!(events.recv().await, Some(PeerEvent::Control(Bytes::from(n.to_be_bytes().to_vec()))));
        }
        assert_eq!(events.recv().await, None);
        writer.await.unwrap();
    }

    #[test]
    fn debug_hides_candidates() {
        let text = format!("{:?}", PeerEvent::LocalCandidate("candidate:1 1 udp 1 203.0.113.7 5 typ host".into()));
        assert!(!text.contains("203.0.113.7"));
    }
}
