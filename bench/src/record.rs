//! What a link carried, in steps of time.

use std::collections::BTreeMap;
use std::time::Duration;

/// Length of a bucket, microseconds.
pub(crate) const BUCKET_US: i64 = 100_000;
/// How late the emulator may be and still be counted apart, in steps of 50 µs; the last step holds all the rest.
const LATENESS_STEPS: usize = 200;
const LATENESS_STEP_US: u128 = 50;
/// Flows that are kept apart. There are few in a call; of more, the rest count only in the sum.
const FLOWS_MAX: usize = 64;

/// What a link carried in both directions, from a to b first.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkRecord {
    pub(crate) directions: [Direction; 2],
}

/// What one direction carried.
#[derive(Clone, Debug)]
pub(crate) struct Direction {
    /// By unix time in units of [`BUCKET_US`].
    pub(crate) buckets: BTreeMap<i64, Bucket>,
    /// Bytes offered per flow and bucket, by the two UDP ports.
    pub(crate) flows: BTreeMap<[u8; 4], BTreeMap<i64, u64>>,
    /// Offered, overflowed, policed, lost, down, delivered.
    pub(crate) counts: [u64; 6],
    lateness: Vec<u64>,
}

impl Default for Direction {
    fn default() -> Self {
        Self { buckets: BTreeMap::new(), flows: BTreeMap::new(), counts: [0; 6], lateness: vec![0; LATENESS_STEPS] }
    }
}

/// A step of time. Bytes are those of IP packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) offered_bytes: u64,
    pub(crate) delivered_bytes: u64,
    /// Packets that will not arrive.
    pub(crate) dropped: u64,
    /// The longest wait before sending that a packet found.
    pub(crate) queue: Duration,
}

impl Direction {
    /// Notes a packet that came to the link.
    pub(crate) fn offered(&mut self, unix_us: i64, packet: &[u8], passes: bool, waits: Duration) {
        let at = Self::bucket_of(unix_us);
        let bytes = packet.len() as u64;
        let bucket = self.buckets.entry(at).or_default();
        bucket.offered_bytes += bytes;
        bucket.dropped += u64::from(!passes);
        bucket.queue = bucket.queue.max(waits);
        if let Some(ports) = udp_ports(packet)
            && (self.flows.len() < FLOWS_MAX || self.flows.contains_key(&ports))
        {
            *self.flows.entry(ports).or_default().entry(at).or_default() += bytes;
        }
    }

    /// Notes a packet that left the link, so long after it was due.
    pub(crate) fn delivered(&mut self, unix_us: i64, bytes: usize, late: Duration) {
        self.buckets.entry(Self::bucket_of(unix_us)).or_default().delivered_bytes += bytes as u64;
        let step = usize::try_from(late.as_micros() / LATENESS_STEP_US).unwrap_or(usize::MAX);
        self.lateness[step.min(LATENESS_STEPS - 1)] += 1;
    }

    /// The lateness that this share of packets does not exceed, milliseconds.
    pub(crate) fn lateness_ms(&self, share: f64) -> f64 {
        let all: u64 = self.lateness.iter().sum();
        let mut seen = 0;
        for (step, count) in self.lateness.iter().enumerate() {
            seen += count;
            if seen as f64 >= share * all as f64 {
                return (step + 1) as f64 * LATENESS_STEP_US as f64 / 1000.0;
            }
        }
        0.0
    }

    /// Kilobits per second offered between two moments, unix microseconds.
    pub(crate) fn offered_kbps(&self, from_us: i64, until_us: i64) -> f64 {
        let range = Self::bucket_of(from_us)..Self::bucket_of(until_us).max(Self::bucket_of(from_us) + 1);
        let buckets = (range.end - range.start) as f64;
        let bytes: u64 = self.buckets.range(range).map(|(_, bucket)| bucket.offered_bytes).sum();
        bytes as f64 * 8.0 / (buckets * BUCKET_US as f64 / 1000.0)
    }
}

/// Ports of an IPv4 packet with UDP in it.
fn udp_ports(packet: &[u8]) -> Option<[u8; 4]> {
    const UDP: u8 = 17;
    let header = usize::from(packet.first().filter(|first| **first >> 4 == 4)? & 0x0f) * 4;
    (packet.get(9) == Some(&UDP)).then(|| packet.get(header..header + 4)?.try_into().ok())?
}
