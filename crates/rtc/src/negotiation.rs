//! Offers and answers (RFC 9429), and candidates that come too early.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use eyeline_media::frame::VideoCodec;
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use webrtc::data_channel::RTCDataChannelInit;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidateInit, RTCSdpType, RTCSessionDescription};
use webrtc::rtp_transceiver::RtpSender;

use crate::control::{CHANNEL_ID, Control, LABEL};
use crate::error::RtcError;
use crate::link::{Link, Sending};
use crate::sdp::PayloadTypes;
use crate::setup;

/// Candidates kept until the description they belong to arrives. More are refused.
const MAX_EARLY_CANDIDATES: usize = 64;

/// One connection's negotiation; its owner makes sure that only one step runs at a time.
pub(crate) struct Negotiation {
    pub(crate) connection: Arc<dyn PeerConnection>,
    pub(crate) link: Arc<Link>,
    pub(crate) control: Arc<Control>,
    codecs: Vec<VideoCodec>,
    video: Arc<dyn TrackLocal>,
    audio: Arc<dyn TrackLocal>,
    /// The sender of our video and the codec its track names; `None` before the first description.
    sender: Option<(Arc<dyn RtpSender>, VideoCodec)>,
    offered: bool,
    /// Candidates that came before the first remote description; `None` after it.
    early: Option<Vec<RTCIceCandidateInit>>,
}

impl Negotiation {
    pub(crate) fn new(
        connection: Arc<dyn PeerConnection>,
        link: Arc<Link>,
        control: Arc<Control>,
        codecs: Vec<VideoCodec>,
    ) -> Self {
        let codec = codecs.first().copied().unwrap_or(VideoCodec::Vp8);
        let video = video_track(codec, &link);
        let audio = setup::track(RtpCodecKind::Audio, setup::opus(), link.ssrcs.audio, None);
        let audio: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(audio));
        let early = Some(Vec::new());
        Self { connection, link, control, codecs, video, audio, sender: None, offered: false, early }
    }

    /// The tracks to write video and sound to.
    pub(crate) fn tracks(&self) -> (Arc<dyn TrackLocal>, Arc<dyn TrackLocal>) {
        (self.video.clone(), self.audio.clone())
    }

    pub(crate) fn sender(&self) -> Option<Arc<dyn RtpSender>> {
        self.sender.as_ref().map(|(sender, _)| sender.clone())
    }

    pub(crate) async fn create_offer(&mut self, ice_restart: bool) -> Result<String, RtcError> {
        let step = "offer";
        let fail = |error| RtcError::negotiation(step, error);
        if self.sender.is_none() {
            self.add_tracks().await?;
            self.open_control().await.map_err(fail)?;
            self.offer_every_codec().await.map_err(fail)?;
        }
        let options = RTCOfferOptions { ice_restart };
        let offer = self.connection.create_offer(Some(options)).await.map_err(fail)?;
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(offer).await.map_err(fail)?;
        self.offered = true;
        self.link.set_receiving(PayloadTypes::read(&sdp));
        Ok(sdp)
    }

    pub(crate) async fn accept_offer(&mut self, sdp: &str) -> Result<String, RtcError> {
        let step = "answer";
        let fail = |error| RtcError::negotiation(step, error);
        let offer = RTCSessionDescription::offer(sdp.to_owned()).map_err(fail)?;
        let theirs = PayloadTypes::read(sdp);
        let sending = self.choose(&theirs)?;
        if self.offered {
            let mut rollback = RTCSessionDescription::default();
            rollback.sdp_type = RTCSdpType::Rollback;
            self.connection.set_local_description(rollback).await.map_err(fail)?;
            self.offered = false;
        }
        if self.sender.is_none() {
            self.add_tracks().await?;
            self.open_control().await.map_err(fail)?;
        }
        self.name_codec(sending.codec).await?;
        self.connection.set_remote_description(offer).await.map_err(fail)?;
        let answer = self.connection.create_answer(None).await.map_err(fail)?;
        let answer_sdp = answer.sdp.clone();
        self.connection.set_local_description(answer).await.map_err(fail)?;
        self.link.set_receiving(PayloadTypes::read(&answer_sdp));
        self.link.set_sending(sending);
        self.flush_early().await;
        Ok(answer_sdp)
    }

    pub(crate) async fn accept_answer(&mut self, sdp: &str) -> Result<(), RtcError> {
        let fail = |error| RtcError::negotiation("answer", error);
        let answer = RTCSessionDescription::answer(sdp.to_owned()).map_err(fail)?;
        let sending = self.choose(&PayloadTypes::read(sdp))?;
        self.name_codec(sending.codec).await?;
        self.connection.set_remote_description(answer).await.map_err(fail)?;
        self.offered = false;
        self.link.set_sending(sending);
        self.flush_early().await;
        Ok(())
    }

    /// The control channel under the number both ends know (RFC 8832 needs no message to open it then): what is said first
    /// over it decides when media may flow, so it must not wait for a round trip of its own.
    async fn open_control(&self) -> webrtc::error::Result<()> {
        let init = RTCDataChannelInit { ordered: true, negotiated: Some(CHANNEL_ID), ..Default::default() };
        let channel = self.connection.create_data_channel(LABEL, Some(init)).await?;
        self.control.adopt(channel);
        Ok(())
    }

    pub(crate) async fn add_candidate(&mut self, json: &str) -> Result<(), RtcError> {
        let candidate: RTCIceCandidateInit = serde_json::from_str(json).map_err(|_| RtcError::BadCandidate)?;
        if candidate.candidate.is_empty() {
            return Ok(());
        }
        match &mut self.early {
            Some(early) if early.len() >= MAX_EARLY_CANDIDATES => Err(RtcError::TooManyCandidates),
            Some(early) => {
                early.push(candidate);
                Ok(())
            }
            None => {
                let added = self.connection.add_ice_candidate(candidate).await;
                // The stack's task sleeps on and would look at it at its next timer, up to a second later.
                self.control.nudge().await;
                added.map_err(|_| RtcError::BadCandidate)
            }
        }
    }

    async fn flush_early(&mut self) {
        for candidate in self.early.take().into_iter().flatten() {
            if self.connection.add_ice_candidate(candidate).await.is_err() {
                tracing::debug!("early candidate refused");
            }
        }
        self.control.nudge().await;
    }

    /// Once sending has begun the codec stays, as long as the other side still takes it.
    fn choose(&self, theirs: &PayloadTypes) -> Result<Sending, RtcError> {
        self.link.audio_red.store(theirs.red.unwrap_or(0), Relaxed);
        let current = self.link.sending().map(|sending| sending.codec);
        let codec = current
            .filter(|codec| theirs.of(*codec).is_some())
            .or_else(|| theirs.choose(&self.codecs))
            .ok_or(RtcError::NoCommonCodec("video"))?;
        let video = theirs.of(codec).ok_or(RtcError::NoCommonCodec("video"))?;
        let audio = theirs.opus.ok_or(RtcError::NoCommonCodec("audio"))?;
        Ok(Sending { codec, video, audio, rtx: theirs.repair_of(video), parity: theirs.parity })
    }

    async fn add_tracks(&mut self) -> Result<(), RtcError> {
        let fail = |error| RtcError::negotiation("track", error);
        self.connection.add_track(self.audio.clone()).await.map_err(fail)?;
        let sender = self.connection.add_track(self.video.clone()).await.map_err(fail)?;
        let codec = self.codecs.first().copied().unwrap_or(VideoCodec::Vp8);
        self.sender = Some((sender, codec));
        Ok(())
    }

    /// The stack would offer only the codec our track names.
    async fn offer_every_codec(&self) -> webrtc::error::Result<()> {
        for transceiver in self.connection.get_transceivers().await {
            transceiver.set_codec_preferences(Vec::new()).await?;
        }
        Ok(())
    }

    /// Tells the stack which codec our video track is in. It must know before the description that completes negotiation is
    /// applied, or retransmission and feedback are not set up for the stream.
    async fn name_codec(&mut self, codec: VideoCodec) -> Result<(), RtcError> {
        if let Some((sender, current)) = &mut self.sender
            && *current != codec
        {
            let track = video_track(codec, &self.link);
            sender.replace_track(track).await.map_err(|error| RtcError::negotiation("codec", error))?;
            *current = codec;
        }
        Ok(())
    }
}

fn video_track(codec: VideoCodec, link: &Link) -> Arc<dyn TrackLocal> {
    let codec = setup::video_codec(codec);
    let track = setup::track(RtpCodecKind::Video, codec, link.ssrcs.video, Some(link.ssrcs.rtx));
    Arc::new(TrackLocalStaticRTP::new(track))
}
