//! What a jitter buffer counts.

use std::time::Duration;

/// Counters of one stream, and its delay right now. Samples are at 48 kHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets that came, good or not.
    pub received: u64,
    /// Packets that came after their place was played, or belonged to no known time line.
    pub late: u64,
    /// Packets that came before already.
    pub duplicates: u64,
    /// Packets that were not Opus.
    pub broken: u64,
    /// Packets that were not there when they were needed.
    pub lost: u64,
    /// Packets thrown away because playout was far behind.
    pub skipped: u64,
    /// Samples played from packets.
    pub decoded_samples: u64,
    /// Samples recovered from the copy in the next packet.
    pub fec_samples: u64,
    /// Samples of `decoded_samples` that came as copies beside other packets (RFC 2198), their own packet being lost.
    pub repaired_samples: u64,
    /// Samples made up because packets were missing.
    pub concealed_samples: u64,
    /// Samples of silence: before the stream, and while the sender said nothing.
    pub silent_samples: u64,
    /// Samples cut to lower the delay.
    pub removed_samples: u64,
    /// Samples repeated to raise the delay.
    pub inserted_samples: u64,
    /// Times the sender's time line started over.
    pub resyncs: u64,
    /// Delay that is being added to the fastest packet; zero while nothing plays.
    pub current_delay: Duration,
    /// Delay that the measured jitter and [`held`](Self::held) ask for.
    pub target_delay: Duration,
    /// Part of `current_delay` that is there on purpose, so that sound does not come before the picture.
    pub held: Duration,
}

impl JitterStats {
    /// Share of the sound that had to be made up, 0 to 1; silence does not count.
    pub fn concealed_share(&self) -> f64 {
        let sound = self.decoded_samples + self.fec_samples + self.concealed_samples;
        if sound == 0 { 0.0 } else { self.concealed_samples as f64 / sound as f64 }
    }

    /// Share of the sound that was left out to lower the delay and that was repeated to raise it, 0 to 1 each.
    pub fn stretched_shares(&self) -> (f64, f64) {
        let sound = (self.decoded_samples + self.fec_samples + self.concealed_samples).max(1) as f64;
        (self.removed_samples as f64 / sound, self.inserted_samples as f64 / sound)
    }
}
