//! Opus, mono, 48 kHz (RFC 6716, RFC 7587).

use bytes::Bytes;

use super::plan::SoundPlan;
use super::{AudioError, SAMPLE_RATE_HZ};
use crate::units::Bitrate;

/// Samples of a frame that has a voice flag of its own: 20 ms.
pub(super) const PACKET_SAMPLES: usize = 960;

/// The longest packet the format knows: 120 ms (RFC 6716 section 3.2).
pub(super) const MAX_PACKET_SAMPLES: usize = 5_760;

/// Largest packet accepted or made, in bytes: fits every path unfragmented.
pub(super) const MAX_PACKET_BYTES: usize = 1_275;

/// What the encoder is tuned for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpusApplication {
    /// Speech first: high-pass filter, speech coding where it fits.
    #[default]
    Voip,
    /// Faithful to any input.
    Audio,
}

/// Encodes packets of 10, 20, 40 or 60 ms with in-band forward error correction and, if asked for, discontinuous transmission.
#[derive(Debug)]
pub struct OpusEncoder {
    encoder: opus::Encoder,
}

impl OpusEncoder {
    /// An encoder at `bitrate`. In-band FEC is on; it takes effect once [`set_loss`](Self::set_loss) says there is loss.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses.
    pub fn new(application: OpusApplication, bitrate: Bitrate, dtx: bool) -> Result<Self, AudioError> {
        let mode = match application {
            OpusApplication::Voip => opus::Application::Voip,
            OpusApplication::Audio => opus::Application::Audio,
        };
        let mut encoder = opus::Encoder::new(SAMPLE_RATE_HZ, opus::Channels::Mono, mode)?;
        encoder.set_inband_fec(true)?;
        encoder.set_dtx(dtx)?;
        let mut this = Self { encoder };
        this.set_bitrate(bitrate)?;
        Ok(this)
    }

    /// Changes the target bitrate, within 6 to 510 kbit/s.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), AudioError> {
        let bps = i32::try_from(bitrate.bps().clamp(6_000, 510_000)).expect("clamped");
        Ok(self.encoder.set_bitrate(opus::Bitrate::Bits(bps))?)
    }

    /// Says what share of packets (0 to 1) gets lost: more loss, more bits for forward error correction.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses.
    pub fn set_loss(&mut self, share: f32) -> Result<(), AudioError> {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
        let percent = (share.clamp(0.0, 1.0) * 100.0).round() as i32;
        Ok(self.encoder.set_packet_loss_perc(percent)?)
    }

    /// Switches in-band forward error correction on or off.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses.
    pub fn set_inband_fec(&mut self, on: bool) -> Result<(), AudioError> {
        Ok(self.encoder.set_inband_fec(on)?)
    }

    /// Does as planned for a share of `loss`.
    pub(super) fn follow(&mut self, plan: SoundPlan, loss: f32) -> Result<(), AudioError> {
        self.set_bitrate(plan.bitrate)?;
        self.set_inband_fec(plan.in_band)?;
        self.set_loss(loss)
    }

    /// Encodes 480, 960, 1920 or 2880 samples. A packet of one or two bytes says "silence" and need not be sent (discontinuous transmission).
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses, for example because there is no packet for so many samples.
    pub fn encode(&mut self, samples: &[i16]) -> Result<Bytes, AudioError> {
        let mut packet = [0; MAX_PACKET_BYTES];
        let len = self.encoder.encode(samples, &mut packet)?;
        Ok(Bytes::copy_from_slice(&packet[..len]))
    }
}

/// Decodes packets of any Opus mode and length to mono, 48 kHz; stereo is mixed down by libopus.
#[derive(Debug)]
pub struct OpusDecoder {
    decoder: opus::Decoder,
}

impl OpusDecoder {
    /// A decoder that has heard nothing yet.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses.
    pub fn new() -> Result<Self, AudioError> {
        Ok(Self { decoder: opus::Decoder::new(SAMPLE_RATE_HZ, opus::Channels::Mono)? })
    }

    /// Decodes a packet into the front of `out` (room for 5760 samples) and returns how many samples it held.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when `packet` is not Opus.
    pub fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, AudioError> {
        if packet.is_empty() {
            return Err(AudioError::Failed("empty Opus packet".into()));
        }
        Ok(self.decoder.decode(packet, out, false)?)
    }

    /// Recovers the packet lost just before `next` from the copy `next` carries, filling `out` with as many samples as the
    /// lost packet had (it is taken to be as long as `next`). Without a copy this is [`conceal`](Self::conceal).
    ///
    /// # Errors
    /// [`AudioError::Failed`] when `next` is not Opus.
    pub fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> Result<usize, AudioError> {
        if next.is_empty() {
            return Err(AudioError::Failed("empty Opus packet".into()));
        }
        Ok(self.decoder.decode(next, out, true)?)
    }

    /// Makes up `out.len()` samples (a multiple of 120) that continue what was heard; comfort noise after silence.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when the length is not a multiple of 2.5 ms.
    pub fn conceal(&mut self, out: &mut [i16]) -> Result<usize, AudioError> {
        Ok(self.decoder.decode(&[], out, false)?)
    }

    /// Forgets everything heard.
    pub fn reset(&mut self) {
        // Resetting has no failure modes for a valid decoder; the next packet resynchronises in any case.
        let _ = self.decoder.reset_state();
    }
}

/// Samples at 48 kHz that a packet holds; `None` when it is not Opus.
pub(super) fn packet_samples(packet: &[u8]) -> Option<usize> {
    if packet.is_empty() || packet.len() > MAX_PACKET_BYTES {
        return None;
    }
    let samples = opus::packet::get_nb_samples(packet, SAMPLE_RATE_HZ).ok()?;
    (120..=MAX_PACKET_SAMPLES).contains(&samples).then_some(samples)
}

/// Whether a packet carries a copy of the one before it (low bit-rate redundancy, RFC 6716 section 4.2.4). Only the speech
/// modes have it: its flag follows the voice activity flags, one for each 20 ms, at the start of the first frame.
pub(super) fn carries_fec(packet: &[u8]) -> bool {
    const FIRST_CELT_CONFIG: u8 = 16;
    if packet.len() < 2 || packet[0] >> 3 >= FIRST_CELT_CONFIG {
        return false;
    }
    let Ok(frame_samples) = opus::packet::get_samples_per_frame(packet, SAMPLE_RATE_HZ) else { return false };
    let Ok(parsed) = opus::packet::parse(packet) else { return false };
    let voice_flags = (frame_samples / PACKET_SAMPLES).clamp(1, 3);
    parsed.frames.first().and_then(|f| f.first()).is_some_and(|byte| byte >> (7 - voice_flags) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::testing::speech;

    fn encode(encoder: &mut OpusEncoder, pcm: &[i16]) -> Vec<Bytes> {
        pcm.chunks_exact(PACKET_SAMPLES).map(|chunk| encoder.encode(chunk).unwrap()).collect()
    }

    fn correlation(a: &[i16], b: &[i16]) -> f64 {
        let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    /// How a lost packet is made good.
    #[derive(Clone, Copy, PartialEq)]
    enum Repair {
        Fec,
        Concealment,
    }

    /// Decodes `packets`, every tenth of them lost.
    fn decode(packets: &[Bytes], lose: bool, repair: Repair) -> Vec<i16> {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut pcm = Vec::new();
        for (i, packet) in packets.iter().enumerate() {
            let mut out = [0; MAX_PACKET_SAMPLES];
            let next = packets.get(i + 1).filter(|next| repair == Repair::Fec && carries_fec(next));
            let len = match next {
                _ if !lose || i % 10 != 5 => decoder.decode(packet, &mut out).unwrap(),
                Some(next) => decoder.decode_fec(next, &mut out[..PACKET_SAMPLES]).unwrap(),
                None => decoder.conceal(&mut out[..PACKET_SAMPLES]).unwrap(),
            };
            pcm.extend_from_slice(&out[..len]);
        }
        pcm
    }

    /// Signal to noise ratio in dB of `got` against `wanted`.
    fn snr(wanted: &[i16], got: &[i16]) -> f64 {
        let power = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>();
        let signal = power(&mut wanted.iter().map(|s| f64::from(*s)));
        let noise = power(&mut wanted.iter().zip(got).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn what_goes_in_comes_out() {
        let pcm = speech();
        // At 32 kbit/s the speech modes keep the sound, not the waveform.
        for (application, kbps, alike) in [(OpusApplication::Voip, 32, 0.75), (OpusApplication::Audio, 64, 0.95)] {
            let mut encoder = OpusEncoder::new(application, Bitrate::from_kbps(kbps), true).unwrap();
            let packets = encode(&mut encoder, &pcm);
            assert!(packets.iter().all(|p| packet_samples(p) == Some(PACKET_SAMPLES)));
            let bytes: usize = packets.iter().map(Bytes::len).sum();
            assert!(bytes as u64 <= kbps * 250 * 5 / 4, "{bytes} bytes for 2 s at {kbps} kbit/s");
            let out = decode(&packets, false, Repair::Fec);
            assert_eq!(out.len(), pcm.len());
            let best = (0..1_000)
                .map(|lag| correlation(&pcm[4_800..52_800], &out[4_800 + lag..52_800 + lag]))
                .fold(0.0, f64::max);
            assert!(best > alike, "{application:?}: correlation {best}");
        }
    }

    #[test]
    fn the_copy_in_the_next_packet_beats_concealment() {
        let mut encoder = OpusEncoder::new(OpusApplication::Voip, Bitrate::from_kbps(32), true).unwrap();
        encoder.set_loss(0.1).unwrap();
        let packets = encode(&mut encoder, &speech());
        assert!(packets.iter().filter(|p| carries_fec(p)).count() > packets.len() / 2);
        let whole = decode(&packets, false, Repair::Fec);
        let fec = snr(&whole, &decode(&packets, true, Repair::Fec));
        let concealed = snr(&whole, &decode(&packets, true, Repair::Concealment));
        assert!(fec > concealed + 3.0, "FEC {fec:.1} dB, concealment {concealed:.1} dB");
    }

    #[test]
    fn rubbish_is_refused() {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = [0; MAX_PACKET_SAMPLES];
        assert!(decoder.decode(&[], &mut out).is_err());
        assert!(decoder.decode_fec(&[], &mut out).is_err());
        assert!(decoder.decode(&[0xff; 3], &mut out).is_err());
        assert_eq!(packet_samples(&[]), None);
        assert_eq!(packet_samples(&[0; 2_000]), None);
        assert!(!carries_fec(&[0x08]));
        let mut encoder = OpusEncoder::new(OpusApplication::Audio, Bitrate::from_kbps(64), false).unwrap();
        assert!(encoder.encode(&[0; 100]).is_err());
        encoder.set_loss(7.0).unwrap();
        encoder.set_bitrate(Bitrate::from_kbps(1)).unwrap();
    }
}
