//! What the packets of one picture show about the path.
//!
//! The pacer sends the packets of a frame faster than the estimate, so each frame is a small probe that costs nothing: how far
//! apart its packets arrive tells how fast the narrowest link passes them (packet dispersion: Keshav 1991; Dovrolis,
//! Ramanathan and Moore 2001). Cross traffic makes it too high as a fair share, so it only says how fast to grow, never where to be.

use std::collections::VecDeque;

/// Trains of this many seconds count.
const WINDOW: f64 = 1.0;
/// Bytes of trains that make an estimate.
const MIN_BYTES: usize = 5_000;
/// Packets smaller than this share of the train's first are no part of it: they spend less time on the wire.
const MIN_SHARE: f64 = 0.6;
/// Sound and other small packets never begin a train.
const MIN_SIZE: usize = 250;
/// Packets sent at this multiple of the target or faster belong together.
const TOGETHER: f64 = 1.2;

/// Packets sent close together. Times in seconds.
#[derive(Clone, Copy, Debug)]
struct Train {
    first_size: usize,
    first_departure: f64,
    first_arrival: f64,
    departure: f64,
    arrival: f64,
    /// Bytes after the first packet, up to the last large one.
    bytes: usize,
    /// Bytes of small packets since then.
    trailing: usize,
}

/// Trains of late.
#[derive(Debug, Default)]
pub(super) struct Trains {
    current: Option<Train>,
    /// Time of arrival, bytes after the first packet, seconds of sending, seconds of arriving.
    done: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: f64,
    bytes: usize,
    sending: f64,
    arriving: f64,
}

impl Trains {
    /// A packet that arrived, in sending order; `target` in bits per second.
    pub(super) fn arrived(&mut self, departure: f64, arrival: f64, size: usize, target: f64) {
        if let Some(train) = &mut self.current {
            let gap = departure - train.departure;
            let together = gap <= train.first_size as f64 * 8.0 / (TOGETHER * target);
            if together && (size as f64) < train.first_size as f64 * MIN_SHARE {
                train.trailing += size;
                return;
            }
            if together {
                train.bytes += size + std::mem::take(&mut train.trailing);
                (train.departure, train.arrival) = (departure, arrival);
                return;
            }
            self.end();
        }
        if size >= MIN_SIZE {
            self.current = Some(Train {
                first_size: size,
                first_departure: departure,
                first_arrival: arrival,
                departure,
                arrival,
                bytes: 0,
                trailing: 0,
            });
        }
    }

    /// A packet is missing: what came before it and what comes after it are two trains.
    pub(super) fn missing(&mut self) {
        self.end();
    }

    /// Forgets what was seen before the path changed.
    pub(super) fn clear(&mut self) {
        self.current = None;
        self.done.clear();
    }

    /// Bits per second that the trains passed the path with: its capacity, or how fast they were sent if that is less.
    pub(super) fn bps(&self) -> Option<f64> {
        let bytes: usize = self.done.iter().map(|train| train.bytes).sum();
        // Packets cannot arrive faster than they were sent; where they do, they were held up and let go together.
        let arriving: f64 = self.done.iter().map(|train| train.arriving.max(train.sending * 0.9)).sum();
        (bytes >= MIN_BYTES && arriving > 0.0).then(|| bytes as f64 * 8.0 / arriving)
    }

    fn end(&mut self) {
        let Some(train) = self.current.take().filter(|train| train.bytes > 0) else { return };
        self.done.push_back(Sample {
            at: train.arrival,
            bytes: train.bytes,
            sending: train.departure - train.first_departure,
            arriving: (train.arrival - train.first_arrival).max(0.0),
        });
        while self.done.front().is_some_and(|oldest| oldest.at < train.arrival - WINDOW) {
            self.done.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of `count` packets sent at `pace` over a link of `capacity`, both in bits per second.
    fn frames(count: usize, pace: f64, capacity: f64) -> Option<f64> {
        let mut trains = Trains::default();
        let mut free: f64 = 0.0;
        for frame in 0..30 {
            for n in 0..count {
                let departure = frame as f64 / 30.0 + n as f64 * 1_100.0 * 8.0 / pace;
                free = free.max(departure) + 1_100.0 * 8.0 / capacity;
                trains.arrived(departure, free + 0.02, 1_100, 1e6);
            }
        }
        trains.bps()
    }

    #[test]
    fn trains_show_the_capacity_or_their_own_rate() {
        assert!((1.1e6..1.3e6).contains(&frames(4, 2.5e6, 1.2e6).unwrap()));
        assert!((2.4e6..2.9e6).contains(&frames(4, 2.5e6, 10e6).unwrap()));
        assert_eq!(frames(1, 2.5e6, 10e6), None, "frames of one packet show nothing");
    }
}
