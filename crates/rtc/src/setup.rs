//! Configures the stack: codecs, timeouts, interceptors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_media::frame::VideoCodec;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{
    ReceiverReportBuilder, Registry, SenderReportBuilder, Slot, TwccReceiverBuilder, TwccSenderBuilder,
};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::configure_twcc;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MIME_TYPE_VP9, MediaEngine,
};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpRtxParameters, RtpCodecKind,
};
use webrtc::peer_connection::{
    RTCConfiguration, RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy, SettingEngine, SettingEngineBuilder,
};

use crate::config::PeerConfig;
use crate::error::RtcError;
use crate::estimate::{FeedbackTap, PathEstimator};
use crate::link::Link;
use crate::sdp::PARITY;
use crate::tap::{MEDIA_SLOT, MediaTap, PeerSinks, WIRE_SLOT, WireTap, WithRepair};

/// Packets a late retransmission may be behind and still be accepted; the default of 64 loses repairs at a few Mbit/s.
const REPLAY_WINDOW: usize = 1_024;
/// Time between connectivity checks. The stack nominates a path at such a moment too, so each call waits for one or two of them;
/// shorter, and the checks of many paths fill a thin one.
const ICE_CHECK_INTERVAL: Duration = Duration::from_millis(30);
/// Checks of one path before it is given up: as long as both sides may take to begin, not the 1.4 s of the default.
const ICE_MAX_CHECKS: u16 = 333;
/// How long a direct path may still turn up before a relayed one is taken.
const RELAY_WAIT: Duration = Duration::from_millis(400);
/// How long a path that showed itself by a check before it was told of waits for a better one. The default of a second is
/// paid by every call in which the first check overtakes its candidate. Not zero: the other side's relay can look like
/// one, and would get around [`RELAY_WAIT`].
const PEER_REFLEXIVE_WAIT: Duration = Duration::from_millis(50);
/// Silence after which the connection counts as interrupted. Media, its feedback and the consent checks come many times in it.
const DISCONNECTED_AFTER: Duration = Duration::from_millis(1_500);
/// And after which it counts as failed: late, because a restart is tried meanwhile.
const FAILED_AFTER: Duration = Duration::from_secs(30);
/// Time between consent checks.
const KEEPALIVE: Duration = Duration::from_millis(400);
/// Time between reports of arrivals to the sender's estimator.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);

/// Payload type we offer parity under: none of those browsers use.
const PARITY_PAYLOAD_TYPE: u8 = 120;

const OPUS_FMTP: &str = "minptime=10;useinbandfec=1;usedtx=1";

pub(crate) fn opus() -> RTCRtpCodec {
    codec(MIME_TYPE_OPUS, 48_000, 2, OPUS_FMTP.to_owned())
}

pub(crate) fn video_codec(kind: VideoCodec) -> RTCRtpCodec {
    match kind {
        VideoCodec::Vp8 => codec(MIME_TYPE_VP8, 90_000, 0, String::new()),
        VideoCodec::Vp9 => codec(MIME_TYPE_VP9, 90_000, 0, "profile-id=0".to_owned()),
    }
}

/// Payload type we offer `kind` under; the one after it is its retransmission. Chromium's numbers.
fn offered_payload_type(kind: VideoCodec) -> u8 {
    match kind {
        VideoCodec::Vp8 => 96,
        VideoCodec::Vp9 => 98,
    }
}

fn codec(mime_type: &str, clock_rate: u32, channels: u16, sdp_fmtp_line: String) -> RTCRtpCodec {
    RTCRtpCodec { mime_type: mime_type.to_owned(), clock_rate, channels, sdp_fmtp_line, rtcp_feedback: vec![] }
}

/// Registers what we can send and receive, `codecs` best first.
pub(crate) fn media_engine(codecs: &[VideoCodec]) -> Result<MediaEngine, RtcError> {
    let mut engine = MediaEngine::default();
    let mut register = |rtp_codec, payload_type, kind| {
        engine.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind).map_err(RtcError::setup)
    };
    register(opus(), 111, RtpCodecKind::Audio)?;
    // Copies of sound beside sound, under Chromium's number; used only when the loss asks for it.
    register(codec("audio/red", 48_000, 2, "111/111".to_owned()), 63, RtpCodecKind::Audio)?;
    for kind in codecs {
        let payload_type = offered_payload_type(*kind);
        register(video_codec(*kind), payload_type, RtpCodecKind::Video)?;
        let rtx = codec(MIME_TYPE_RTX, 90_000, 0, format!("apt={payload_type}"));
        register(rtx, payload_type + 1, RtpCodecKind::Video)?;
    }
    let parity = codec(&format!("video/{PARITY}"), 90_000, 0, String::new());
    register(parity, PARITY_PAYLOAD_TYPE, RtpCodecKind::Video)?;
    for (typ, parameter) in [("nack", ""), ("nack", "pli"), ("ccm", "fir")] {
        let feedback = RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
        engine.register_feedback(feedback, RtpCodecKind::Video);
    }
    Ok(engine)
}

/// The packet chain. There is no pacer in it: video is paced before it gets sequence numbers (`send`). There is neither
/// NACK generator nor responder: the media tap asks for what is missing by round trip time, and `send` answers.
pub(crate) fn interceptors(engine: &mut MediaEngine, link: &Arc<Link>, sinks: PeerSinks) -> Result<Registry, RtcError> {
    let estimator = PathEstimator::new(Instant::now(), link.target(), link.limits.clone());
    let registry = configure_twcc(Registry::new(), engine).map_err(RtcError::setup)?;
    Ok(registry
        .with(Slot::CongestionControl, FeedbackTap::new(estimator, link.clone()))
        .with(Slot::TwccSender, WithRepair::new(TwccSenderBuilder::new().build(), link.ssrcs))
        .with(Slot::TwccReceiver, TwccReceiverBuilder::new().with_interval(FEEDBACK_INTERVAL).build())
        .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
        .with(Slot::SenderReport, SenderReportBuilder::new().build())
        .with(Slot::from(WIRE_SLOT), WireTap::new(link.clone()))
        .with(Slot::from(MEDIA_SLOT), MediaTap::new(link.clone(), sinks)))
}

pub(crate) fn settings(config: &PeerConfig) -> SettingEngine {
    SettingEngineBuilder::new()
        .with_srtp_replay_protection_window(REPLAY_WINDOW)
        .with_srtcp_replay_protection_window(REPLAY_WINDOW)
        .with_ice_connection_attempts(Some(ICE_CHECK_INTERVAL), Some(ICE_MAX_CHECKS))
        .with_relay_acceptance_min_wait(Some(if config.relay_only { Duration::ZERO } else { RELAY_WAIT }))
        .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_prflx_acceptance_min_wait(Some(PEER_REFLEXIVE_WAIT))
        .with_ice_timeouts(Some(DISCONNECTED_AFTER), Some(FAILED_AFTER), Some(KEEPALIVE))
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_include_loopback_candidate(config.include_loopback)
        .with_discard_local_candidates_during_ice_restart(true)
        .build()
}

pub(crate) fn configuration(relay_only: bool, servers: Vec<RTCIceServer>) -> RTCConfiguration {
    let policy = if relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
    RTCConfigurationBuilder::new().with_ice_servers(servers).with_ice_transport_policy(policy).build()
}

/// Addresses to bind. Wildcards stand for every interface and are looked up again at each ICE restart.
pub(crate) fn bind_addresses(config: &PeerConfig) -> Vec<String> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = |v4: bool| interfaces.iter().any(|i| !i.is_loopback() && !i.is_link_local() && i.ip().is_ipv4() == v4);
    let mut addresses = Vec::new();
    if config.include_loopback {
        addresses.push("127.0.0.1:0".to_owned());
    }
    // Without any interface the wildcard itself is bound: useless as an address to tell, but the connection can start.
    if usable(true) || addresses.is_empty() {
        addresses.push("0.0.0.0:0".to_owned());
    }
    if usable(false) {
        addresses.push("[::]:0".to_owned());
    }
    addresses
}

/// A track of ours; one stream id for both, so that the other side plays them in sync.
pub(crate) fn track(kind: RtpCodecKind, codec: RTCRtpCodec, ssrc: u32, rtx_ssrc: Option<u32>) -> MediaStreamTrack {
    let id = kind.to_string();
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            rtx: rtx_ssrc.map(|ssrc| RTCRtpRtxParameters { ssrc }),
            ..Default::default()
        },
        codec,
        ..Default::default()
    };
    MediaStreamTrack::new("eyeline".to_owned(), id.clone(), id, kind, vec![coding])
}
