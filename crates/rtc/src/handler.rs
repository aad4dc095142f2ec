//! What the stack reports. Runs on the network task, so it only passes things on.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionIceErrorEvent, RTCPeerConnectionIceEvent,
    RTCPeerConnectionState,
};

use crate::control::Control;
use crate::events::{PeerEvent, PeerState};
use crate::link::Link;

pub(crate) struct Handler {
    pub(crate) link: Arc<Link>,
    pub(crate) control: Arc<Control>,
}

impl Handler {
    fn on_state(&self, state: PeerState) {
        let first =
            state == PeerState::Connected && !self.link.closed.load(Relaxed) && !self.link.open.swap(true, Relaxed);
        self.link.mailbox.post(PeerEvent::State(state));
        if first {
            // What was encoded so far went nowhere.
            self.link.mailbox.post(PeerEvent::KeyframeRequested);
        }
        self.link.path_changed.notify_one();
        if state == PeerState::Connected {
            let control = self.control.clone();
            // Not awaited: this runs on the task that is to be woken.
            tokio::spawn(async move { control.nudge().await });
        }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if event.candidate.address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_unspecified()) {
            return;
        }
        match event.candidate.to_json().map(|init| serde_json::to_string(&init)) {
            Ok(Ok(json)) => self.link.mailbox.post(PeerEvent::LocalCandidate(json)),
            _ => tracing::warn!("own candidate could not be written"),
        }
    }

    async fn on_ice_candidate_error(&self, event: RTCPeerConnectionIceErrorEvent) {
        tracing::debug!(code = event.error_code, "gathering from a server failed");
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.link.mailbox.post(PeerEvent::CandidatesDone);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::info!(%state, "connection state");
        match state {
            RTCPeerConnectionState::Connecting => self.on_state(PeerState::Connecting),
            RTCPeerConnectionState::Connected => self.on_state(PeerState::Connected),
            RTCPeerConnectionState::Disconnected => self.on_state(PeerState::Disconnected),
            RTCPeerConnectionState::Failed => self.on_state(PeerState::Failed),
            // Closed is reported by whoever closes.
            _ => {}
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        self.control.adopt(channel);
    }
}
