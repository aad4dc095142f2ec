//! One connection to the other side.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyeline_media::units::Bitrate;
use rtc::rtcp::raw_packet::RawPacket;
use tokio::sync::Mutex;
use webrtc::peer_connection::{PeerConnection, PeerConnectionBuilder, RTCIceCandidateType};

use crate::bridge::{BridgeRuntime, Bridges, Transport};
use crate::config::{IceServer, PeerConfig};
use crate::control::{Control, SEND_BUFFER};
use crate::error::RtcError;
use crate::events::{Mailbox, PathKind, PeerEvent, PeerEvents, PeerState};
use crate::handler::Handler;
use crate::link::{Link, Ssrcs};
use crate::negotiation::Negotiation;
use crate::proof;
use crate::send::{self, AudioSender, Seed, SendQueue, Tracks, VideoClock, VideoSender};
use crate::setup;
use crate::socket::Watcher;
use crate::stats::PeerStats;
use crate::tap::PeerSinks;

/// How often the path in use is looked up while nothing hints at a change.
const PATH_CHECK: Duration = Duration::from_secs(1);

/// How often a better path than one over TCP is looked for: at first, and at least.
const BETTER_PATH: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));

/// A connection. Cheap to clone; all clones are the same connection. It ends with [`Peer::close`] or with the last clone.
#[derive(Clone)]
pub struct Peer(Arc<Inner>);

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

struct Inner {
    connection: Arc<dyn PeerConnection>,
    link: Arc<Link>,
    bridges: Arc<Bridges>,
    relay_only: bool,
    control: Arc<Control>,
    queue: Arc<SendQueue>,
    negotiation: Mutex<Negotiation>,
}

impl Peer {
    /// Opens sockets and makes a key pair; nothing is sent before a description is made. Must run inside a tokio runtime,
    /// which from then on drives the connection.
    ///
    /// # Errors
    /// [`RtcError::Setup`] if no socket can be bound or a server's credentials are missing.
    pub async fn new(config: PeerConfig, sinks: PeerSinks) -> Result<(Self, PeerEvents), RtcError> {
        let mailbox = Arc::new(Mailbox::default());
        let [video, rtx, parity, audio, timestamp] = random::<5>()?;
        let link = Arc::new(Link::new(&config, mailbox.clone(), Ssrcs { video, rtx, parity, audio }));
        let control = Arc::new(Control::new(mailbox.clone()));
        let bridges = Arc::new(Bridges::new(&config));
        let connection = build(&config, &link, &bridges, &control, sinks).await?;
        let clock = VideoClock { epoch: Instant::now(), base: timestamp };
        let queue = Arc::new(SendQueue::new(link.clone(), clock));
        let negotiation = Negotiation::new(connection.clone(), link.clone(), control.clone(), config.codecs.clone());
        let (video, audio) = negotiation.tracks();
        tokio::spawn(send::run(queue.clone(), Tracks { video, audio, seed: seed()? }));
        let negotiation = Mutex::new(negotiation);
        let relay_only = config.relay_only;
        let peer = Self(Arc::new(Inner { connection, link, bridges, relay_only, control, queue, negotiation }));
        tokio::spawn(watch_path(Arc::downgrade(&peer.0)));
        tokio::spawn(look_for_better(Arc::downgrade(&peer.0)));
        Ok((peer, PeerEvents::new(mailbox)))
    }

    /// Makes and applies an offer; candidates follow as events. With `ice_restart` new sockets and credentials replace the
    /// old, media goes on meanwhile.
    ///
    /// # Errors
    /// [`RtcError::Negotiation`] if an answer to an earlier offer is still due in a way that forbids it.
    pub async fn create_offer(&self, ice_restart: bool) -> Result<String, RtcError> {
        self.negotiation().await?.create_offer(ice_restart).await
    }

    /// Applies the other side's offer and returns our answer. An unanswered offer of ours is withdrawn.
    ///
    /// # Errors
    /// [`RtcError::NoCommonCodec`], or [`RtcError::Negotiation`] if the offer is malformed.
    pub async fn accept_offer(&self, sdp: &str) -> Result<String, RtcError> {
        self.negotiation().await?.accept_offer(sdp).await
    }

    /// Applies the answer to our offer.
    ///
    /// # Errors
    /// [`RtcError::NoCommonCodec`], or [`RtcError::Negotiation`] if it is malformed or nothing was offered.
    pub async fn accept_answer(&self, sdp: &str) -> Result<(), RtcError> {
        self.negotiation().await?.accept_answer(sdp).await
    }

    /// Adds a path of the other side: JSON of `RTCIceCandidateInit`. May come before the description; it is kept until then.
    ///
    /// # Errors
    /// [`RtcError::BadCandidate`] if it cannot be read, [`RtcError::TooManyCandidates`] if too many came early.
    pub async fn add_candidate(&self, json: &str) -> Result<(), RtcError> {
        self.negotiation().await?.add_candidate(json).await
    }

    /// New credentials for the servers of the beginning, used from the next ICE restart on. What a relay holds for us stays as
    /// it is. Other servers than those are not taken.
    ///
    /// # Errors
    /// [`RtcError::Setup`] if they are other servers, or the connection is closed.
    pub async fn renew_credentials(&self, servers: &[IceServer]) -> Result<(), RtcError> {
        let servers = self.0.bridges.renewed(servers).ok_or_else(|| RtcError::setup("these are other servers"))?;
        let configuration = setup::configuration(self.0.relay_only, servers);
        self.0.connection.set_configuration(configuration).await.map_err(RtcError::setup)
    }

    /// Where encoded pictures go.
    pub fn video(&self) -> VideoSender {
        VideoSender(self.0.queue.clone())
    }

    /// Where encoded sound goes.
    pub fn audio(&self) -> AudioSender {
        AudioSender(self.0.queue.clone())
    }

    /// Asks the other side for a keyframe (RFC 4585 section 6.3.1), at most once per round trip and 200 ms.
    pub fn request_keyframe(&self) {
        self.0.queue.want_keyframe();
    }

    /// Whether the other side is known to have decoded the picture that was captured at `captured_at`, so that another may be
    /// predicted from it. Only another Eyeline tells, about every 100 ms and when it misses something.
    pub fn is_acknowledged(&self, captured_at: Instant) -> bool {
        self.0.link.is_acknowledged(captured_at)
    }

    /// Sends a message of at most 16 KiB on the control channel, reliably and in order. Waits while much is underway.
    ///
    /// # Errors
    /// [`RtcError::ControlUnavailable`] before [`PeerEvent::ControlOpen`], after the end, or if the message is too long.
    pub async fn send_control(&self, message: Bytes) -> Result<(), RtcError> {
        self.0.control.send(message).await
    }

    /// Sends 32 bytes beside the media, encrypted like it (RTCP APP, RFC 3550 section 6.7): they arrive before the control
    /// channel is open, or not at all.
    pub async fn send_proof(&self, proof: &[u8; 32]) {
        let (video, _) = self.0.negotiation.lock().await.tracks();
        let packet = RawPacket(proof::write(self.0.link.ssrcs.video, proof));
        if let Err(error) = video.write_rtcp(vec![Box::new(packet)]).await {
            tracing::debug!(%error, "proof not sent");
        }
    }

    /// SHA-256 of the certificate that the other end showed in DTLS, DER-encoded (RFC 8122). `None` before the handshake.
    pub async fn remote_certificate(&self) -> Option<[u8; 32]> {
        use sha2::Digest as _;
        let sender = self.0.negotiation.lock().await.sender()?;
        let transport = sender.transport().await.ok()??;
        let chain = transport.get_remote_certificates().await.ok()?;
        chain.first().map(|certificate| sha2::Sha256::digest(certificate).into())
    }

    /// The estimator never goes above `max` from now on.
    pub fn set_bitrate_limit(&self, max: Bitrate) {
        self.0.link.limits.set_max(max);
        let target = self.0.link.target();
        self.0.link.set_target(Bitrate::from_bps(self.0.link.limits.clamp(target.bps())));
    }

    /// What the video encoder may make now: see [`PeerEvent::TargetBitrate`].
    pub fn target_bitrate(&self) -> Bitrate {
        self.0.link.encoder_budget()
    }

    /// The round trip time; `None` before the first report, about a second after the start.
    pub fn rtt(&self) -> Option<Duration> {
        self.0.link.measured_rtt()
    }

    /// Numbers since the start.
    pub async fn stats(&self) -> PeerStats {
        PeerStats { path: self.0.path().await, ..self.0.link.snapshot() }
    }

    /// Ends the connection and releases relay allocations. Further calls do nothing.
    pub async fn close(&self) {
        if self.0.link.closed.swap(true, Relaxed) {
            return;
        }
        self.0.stop();
        if let Err(error) = self.0.connection.close().await {
            tracing::debug!(%error, "closing failed");
        }
        self.0.link.mailbox.post(PeerEvent::State(PeerState::Closed));
        self.0.link.mailbox.end();
    }

    async fn negotiation(&self) -> Result<tokio::sync::MutexGuard<'_, Negotiation>, RtcError> {
        let negotiation = self.0.negotiation.lock().await;
        if self.0.link.closed.load(Relaxed) { Err(RtcError::Closed) } else { Ok(negotiation) }
    }
}

impl Inner {
    /// Stops our own tasks.
    fn stop(&self) {
        self.link.open.store(false, Relaxed);
        self.queue.filled.notify_one();
        self.link.path_changed.notify_one();
        self.control.close();
    }

    async fn path(&self) -> Option<PathKind> {
        let sender = self.negotiation.lock().await.sender()?;
        let transport = sender.transport().await.ok()??;
        let pair = transport.ice_transport().get_selected_candidate_pair().await.ok()??;
        if pair.local().typ != RTCIceCandidateType::Relay {
            let theirs = pair.remote().typ == RTCIceCandidateType::Relay;
            return Some(if theirs { PathKind::Relayed } else { PathKind::Direct });
        }
        // What a relayed candidate is related to is the socket that reaches the relay.
        let (ip, port) = (pair.local().related_address.parse::<IpAddr>().ok(), pair.local().related_port);
        let socket = ip.map(|ip| SocketAddr::new(ip, port));
        Some(match socket.and_then(|socket| self.bridges.transport_of(socket)) {
            Some(Transport::Udp) | None => PathKind::Relayed,
            Some(Transport::Tcp) => PathKind::RelayedTcp,
            Some(Transport::Tls) => PathKind::RelayedTls,
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.link.closed.swap(true, Relaxed) {
            self.stop();
            self.link.mailbox.end();
        }
    }
}

/// Tells which kind of path is in use whenever that changes.
async fn watch_path(peer: Weak<Inner>) {
    let mut known = None;
    while let Some(inner) = peer.upgrade() {
        let link = inner.link.clone();
        if link.closed.load(Relaxed) {
            return;
        }
        if link.open.load(Relaxed)
            && let Some(path) = inner.path().await
            && known != Some(path)
        {
            known = Some(path);
            link.mailbox.post(PeerEvent::Path(path));
        }
        drop(inner);
        tokio::select! {
            () = link.path_changed.notified() => {}
            () = tokio::time::sleep(PATH_CHECK) => {}
        }
    }
}

/// Tells when a path through a relay over TCP or TLS might be replaced by a better one.
async fn look_for_better(peer: Weak<Inner>) {
    let mut pause = BETTER_PATH.0;
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = peer.upgrade().filter(|inner| !inner.link.closed.load(Relaxed)) else { return };
        if !matches!(inner.path().await, Some(PathKind::RelayedTcp | PathKind::RelayedTls)) {
            pause = BETTER_PATH.0;
            continue;
        }
        let (link, bridges) = (inner.link.clone(), inner.bridges.clone());
        drop(inner);
        if bridges.udp_passes().await {
            // If the next path is no better, the one after it is not looked for that soon.
            pause = (pause * 4).min(BETTER_PATH.1);
            tracing::info!("UDP passes, and the path is not over UDP");
            link.mailbox.post(PeerEvent::BetterPath);
        }
    }
}

async fn build(
    config: &PeerConfig,
    link: &Arc<Link>,
    bridges: &Arc<Bridges>,
    control: &Arc<Control>,
    sinks: PeerSinks,
) -> Result<Arc<dyn PeerConnection>, RtcError> {
    let mut engine = setup::media_engine(&config.codecs)?;
    let registry = setup::interceptors(&mut engine, link, sinks)?;
    let runtime = BridgeRuntime::new(Watcher::new(link.clone()), bridges.clone());
    let connection = PeerConnectionBuilder::new()
        .with_runtime(Arc::new(runtime))
        .with_configuration(setup::configuration(config.relay_only, bridges.servers()))
        .with_media_engine(engine)
        .with_setting_engine(setup::settings(config))
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(Handler { link: link.clone(), control: control.clone() }))
        .with_udp_addrs(setup::bind_addresses(config))
        .with_data_channel_send_buffer_limit(SEND_BUFFER)
        .build()
        .await
        .map_err(RtcError::setup)?;
    Ok(Arc::new(connection))
}

fn seed() -> Result<Seed, RtcError> {
    let [sequences, picture_id, audio_timestamp] = random::<3>()?;
    let [video_high, video_low, audio_high, audio_low] = sequences.to_be_bytes();
    let [picture_high, picture_low, ..] = picture_id.to_be_bytes();
    Ok(Seed {
        video_sequence: u16::from_be_bytes([video_high, video_low]),
        audio_sequence: u16::from_be_bytes([audio_high, audio_low]),
        picture_id: u16::from_be_bytes([picture_high, picture_low]),
        audio_timestamp,
    })
}

/// Random numbers, none of them 0.
fn random<const N: usize>() -> Result<[u32; N], RtcError> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).map_err(RtcError::setup)?;
        *number = u32::from_ne_bytes(bytes).max(1);
    }
    Ok(numbers)
}
