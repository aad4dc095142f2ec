//! What of the target is left for the video encoder, once sound, repair and headers had theirs.
//!
//! Sans-IO: told the time.

use std::time::{Duration, Instant};

use eyeline_media::units::Bitrate;

/// Time between two looks at what was sent.
const INTERVAL: Duration = Duration::from_millis(100);
/// Weight of the newest interval in the averages, which so follow within half a second.
const WEIGHT: f64 = 0.2;
/// Sound and its headers before any was measured.
const USUAL_SOUND_BPS: f64 = 45_000.0;
/// The encoder keeps this share of the target whatever is repaired: less is no picture, and makes nothing better.
const MIN_SHARE: f64 = 0.3;

/// What one packet was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Sound,
    Picture,
    Resend,
    Parity,
    /// To see how fast the path is; taken from nobody's share.
    Padding,
}

/// What was sent, by purpose.
#[derive(Debug)]
pub(crate) struct Spending {
    since: Option<Instant>,
    sound: Average,
    resent: Average,
    /// Bytes of packets per byte of the encoder's, at least 1.
    headers: f64,
    payload: usize,
    packets: usize,
}

#[derive(Debug, Default)]
struct Average {
    bytes: usize,
    bps: f64,
}

impl Average {
    fn close(&mut self, seconds: f64) {
        let bps = std::mem::take(&mut self.bytes) as f64 * 8.0 / seconds;
        self.bps += (bps - self.bps) * WEIGHT;
    }
}

impl Default for Spending {
    fn default() -> Self {
        let sound = Average { bytes: 0, bps: USUAL_SOUND_BPS };
        Self { since: None, sound, resent: Average::default(), headers: 1.03, payload: 0, packets: 0 }
    }
}

impl Spending {
    /// A packet left with `payload` bytes after `header` bytes.
    pub(crate) fn add(&mut self, purpose: Purpose, header: usize, payload: usize) {
        let size = header + payload;
        match purpose {
            Purpose::Sound => self.sound.bytes += size,
            Purpose::Resend => self.resent.bytes += size,
            Purpose::Picture => {
                self.payload += payload;
                self.packets += size;
            }
            // Known before it leaves.
            Purpose::Parity | Purpose::Padding => {}
        }
    }

    /// Closes the interval that is over at `now`; false if it is not.
    pub(crate) fn update(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let span = now.saturating_duration_since(since);
        if span < INTERVAL {
            return false;
        }
        let seconds = span.as_secs_f64();
        self.sound.close(seconds);
        self.resent.close(seconds);
        if self.payload > 0 {
            let headers = std::mem::take(&mut self.packets) as f64 / std::mem::take(&mut self.payload) as f64;
            self.headers += (headers - self.headers) * WEIGHT;
        }
        self.since = Some(now);
        true
    }

    /// What the encoder gets while each of its packets is followed by `parity` packets on average.
    pub(crate) fn shares(&self, parity: f64) -> Shares {
        Shares { taken_bps: self.sound.bps + self.resent.bps, factor: 1.0 / (self.headers * (1.0 + parity)) }
    }
}

/// How a target is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shares {
    /// What sound and retransmissions take.
    taken_bps: f64,
    /// What the encoder gets of the rest.
    factor: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Spending::default().shares(0.0)
    }
}

impl Shares {
    /// What the encoder may make of `target`.
    pub(crate) fn encoder(&self, target: Bitrate) -> Bitrate {
        // Bitrates are far below 2^53.
        let target = target.bps() as f64;
        let left = ((target - self.taken_bps) * self.factor).max(target * MIN_SHARE);
        Bitrate::from_kbps(whole(left / 1_000.0))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and far below 2^64")]
fn whole(value: f64) -> u64 {
    value.max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Bitrate = Bitrate::from_kbps(1_000);

    /// Two seconds of 50 sound packets of 120 bytes, 100 of picture and `resent` resent ones a second.
    fn spent(resent: usize) -> Spending {
        let mut spending = Spending::default();
        let start = Instant::now();
        for tick in 0..20 {
            spending.update(start + INTERVAL * tick);
            (0..5).for_each(|_| spending.add(Purpose::Sound, 20, 100));
            (0..10).for_each(|_| spending.add(Purpose::Picture, 20, 980));
            (0..resent / 10).for_each(|_| spending.add(Purpose::Resend, 20, 980));
            spending.add(Purpose::Padding, 20, 5_000);
        }
        spending
    }

    #[test]
    fn the_encoder_gets_what_is_left() {
        let kbps = |resent, parity| spent(resent).shares(parity).encoder(TARGET).kbps();
        // 48 kbit/s of sound, and a fiftieth of headers.
        assert!((920..940).contains(&kbps(0, 0.0)), "{}", kbps(0, 0.0));
        // 20 resent packets of 8 kbit.
        assert!((765..790).contains(&kbps(20, 0.0)), "{}", kbps(20, 0.0));
        assert!((740..760).contains(&kbps(0, 0.25)), "{}", kbps(0, 0.25));
        assert_eq!(kbps(1_000, 1.0), 300, "never nothing");
    }

    #[test]
    fn sound_has_its_share_before_it_was_heard() {
        assert!(Shares::default().encoder(Bitrate::from_kbps(100)).kbps() < 55);
    }
}
