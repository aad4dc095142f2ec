//! The task that writes media: sound at once, video paced.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use eyeline_media::frame::EncodedAudio;
use rtc::rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc::rtp;
use webrtc::media_stream::track_local::TrackLocal;

use super::video::{PathState, VideoOut};
use super::{Queued, SendQueue};
use crate::events::PeerEvent;
use crate::link::Sending;
use crate::red::{RedWriter, opus_samples};

/// The tracks to write to.
pub(crate) struct Tracks {
    pub(crate) video: Arc<dyn TrackLocal>,
    pub(crate) audio: Arc<dyn TrackLocal>,
    /// Random starts of sequence numbers, picture ids and timestamps (RFC 3550 section 5.1).
    pub(crate) seed: Seed,
}

/// See [`Tracks::seed`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    pub(crate) video_sequence: u16,
    pub(crate) audio_sequence: u16,
    pub(crate) picture_id: u16,
    pub(crate) audio_timestamp: u32,
}

/// Writes what is queued until the connection is closed.
pub(crate) async fn run(queue: Arc<SendQueue>, tracks: Tracks) {
    let mut writer = Writer::new(&queue, tracks);
    while !queue.link.closed.load(Relaxed) {
        writer.write_due().await;
        let wake = async {
            match writer.video.next() {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = queue.filled.notified() => {}
            () = queue.link.resend_due.notified() => {}
            () = wake => {}
        }
    }
}

struct Writer<'a> {
    queue: &'a SendQueue,
    tracks: Tracks,
    video: VideoOut,
    audio_sequence: u16,
    red: RedWriter,
    /// Where the last sound packet ended: a later start means silence was not sent.
    audio_end: Option<u64>,
}

impl<'a> Writer<'a> {
    fn new(queue: &'a SendQueue, tracks: Tracks) -> Self {
        Self {
            queue,
            video: VideoOut::new(queue.link.ssrcs, tracks.seed.video_sequence, tracks.seed.picture_id),
            audio_sequence: tracks.seed.audio_sequence,
            red: RedWriter::default(),
            audio_end: None,
            tracks,
        }
    }

    async fn write_due(&mut self) {
        let (audio, video, keyframe) = {
            let mut waiting = self.queue.lock();
            let keyframe = std::mem::take(&mut waiting.keyframe_from_peer);
            (std::mem::take(&mut waiting.audio), std::mem::take(&mut waiting.video), keyframe)
        };
        if keyframe {
            self.request_keyframe().await;
        }
        for packet in audio {
            self.write_audio(&packet).await;
        }
        let link = &self.queue.link;
        let Some(sending) = link.sending() else { return };
        let requested = link.take_requested();
        if !requested.is_empty() {
            self.video.request(Instant::now(), link.rtt(), &requested, &link.losses());
        }
        let mut chain = true;
        for queued in video {
            chain = (chain || queued.is_entry()) && self.queue_video(queued, sending);
        }
        let target = link.target();
        self.video.set_pace(link.pace());
        if let Some(probe) = link.take_probe() {
            self.video.start_probe(Instant::now(), probe);
        }
        if let Some(shares) = self.video.shares(Instant::now()) {
            link.set_shares(shares);
        }
        while let Some(packet) = self.video.pop(Instant::now(), sending, target) {
            self.write_video(packet).await;
        }
        if self.video.is_idle() && std::mem::take(&mut self.queue.lock().recovery_due) {
            link.mailbox.post(PeerEvent::RecoveryRequested);
        }
    }

    async fn write_audio(&mut self, sound: &EncodedAudio) {
        let Some(sending) = self.queue.link.sending() else { return };
        // The marker says that silence was left out before this packet (RFC 7587 section 4.2).
        let marker = self.audio_end != Some(sound.first_sample);
        self.audio_end = Some(sound.first_sample + u64::from(opus_samples(&sound.data)));
        let timestamp = self.tracks.seed.audio_timestamp.wrapping_add(low_bits(sound.first_sample));
        self.audio_sequence = self.audio_sequence.wrapping_add(1);
        self.queue.lock().audio_time = Some((timestamp, sound.captured_at));
        let copies = self.red.wrap(sound, sending.audio);
        let (payload_type, payload) = match (self.queue.link.audio_red.load(Relaxed), copies) {
            (0, _) | (_, None) => (sending.audio, sound.data.clone()),
            (red, Some(with_copies)) => (red, with_copies),
        };
        let header = header(payload_type, self.audio_sequence, timestamp, self.queue.link.ssrcs.audio, marker);
        self.video.note_sound(payload.len());
        write(&*self.tracks.audio, rtp::Packet { header, payload }).await;
    }

    /// False if the frame was dropped.
    fn queue_video(&mut self, queued: Queued, sending: Sending) -> bool {
        let link = &self.queue.link;
        let entry = queued.is_entry();
        let Queued { mut frame, reference } = queued;
        if let Some(reference) = reference {
            frame.reference = link.distance(self.video.next_picture(), reference);
            if frame.reference.is_none() {
                self.queue.break_chain();
                return false;
            }
        }
        let timestamp = self.queue.clock.timestamp(frame.captured_at);
        let path = PathState { target: link.target(), rtt: link.rtt(), losses: link.losses() };
        match self.video.push(&frame, timestamp, sending, &path) {
            Ok(picture) => link.on_picture_sent(picture, frame.captured_at),
            Err(reason) => {
                tracing::debug!(%reason, "frame dropped");
                self.queue.break_chain();
                return false;
            }
        }
        if entry {
            link.on_keyframe_sent(Instant::now());
        }
        true
    }

    /// Under the track's own number: see [`Link::own_ssrc`](crate::link::Link::own_ssrc).
    async fn write_video(&self, mut packet: rtp::Packet) {
        packet.header.ssrc = self.queue.link.ssrcs.video;
        write(&*self.tracks.video, packet).await;
    }

    async fn request_keyframe(&self) {
        let link = &self.queue.link;
        let media_ssrc = link.remote_video_ssrc.load(Relaxed);
        if media_ssrc != 0 && link.may_request_keyframe(Instant::now()) {
            // Not PLI: what was delivered did not help the decoder, so nothing that builds on it would.
            let sequence_number = link.next_fir();
            let fir = vec![FirEntry { ssrc: media_ssrc, sequence_number }];
            let request = FullIntraRequest { sender_ssrc: link.ssrcs.video, media_ssrc, fir };
            if let Err(error) = self.tracks.video.write_rtcp(vec![Box::new(request)]).await {
                tracing::debug!(%error, "keyframe request not sent");
            }
        }
    }
}

fn header(payload_type: u8, sequence_number: u16, timestamp: u32, ssrc: u32, marker: bool) -> rtp::Header {
    rtp::Header { version: 2, marker, payload_type, sequence_number, timestamp, ssrc, ..Default::default() }
}

async fn write(track: &dyn TrackLocal, packet: rtp::Packet) {
    if let Err(error) = track.write_rtp(packet).await {
        tracing::trace!(%error, "packet not sent");
    }
}

fn low_bits(samples: u64) -> u32 {
    u32::try_from(samples & u64::from(u32::MAX)).expect("masked to 32 bits")
}
