//! A download beside the call: CUBIC (RFC 9438) with selective acknowledgements, as far as its window matters.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use eyeline_emulator::Link;

use super::Cargo;

const SEGMENT: usize = 1_500;
/// Constants of RFC 9438 section 5.
const C: f64 = 0.4;
const BETA: f64 = 0.7;
/// Later segments that arrived until one counts as lost.
const REORDERING: u64 = 3;

#[derive(Debug)]
pub(super) struct Tcp {
    window: f64,
    threshold: f64,
    /// Window before the last loss, and when that was.
    largest: f64,
    lost_at: f64,
    next: u64,
    /// Losses of segments sent before this were answered.
    recover: u64,
    unacknowledged: BTreeSet<u64>,
    acknowledgements: VecDeque<(Duration, u64)>,
    last_heard: Duration,
    pub(super) delivered: u64,
}

impl Tcp {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            window: 10.0,
            threshold: f64::MAX,
            largest: 0.0,
            lost_at: 0.0,
            next: 1,
            recover: 0,
            unacknowledged: BTreeSet::new(),
            acknowledgements: VecDeque::new(),
            last_heard: now,
            delivered: 0,
        }
    }

    pub(super) fn send(&mut self, now: Duration, link: &mut Link<Cargo>) {
        while self.acknowledgements.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, number)) = self.acknowledgements.pop_front() else { break };
            self.acknowledged(now, number);
        }
        if now > self.last_heard + Duration::from_secs(3) {
            // Time-out: everything is lost.
            (self.window, self.last_heard) = (1.0, now);
            self.unacknowledged.clear();
        }
        while (self.unacknowledged.len() as f64) < self.window {
            // What is sent again gets a new number too: only how much is under way matters here.
            let number = self.next;
            self.next += 1;
            self.unacknowledged.insert(number);
            link.enqueue(now, SEGMENT, Cargo::Tcp { number });
        }
    }

    pub(super) fn receive(&mut self, now: Duration, number: u64, back: Duration) {
        self.delivered += SEGMENT as u64;
        self.acknowledgements.push_back((now + back, number));
    }

    fn acknowledged(&mut self, now: Duration, number: u64) {
        self.last_heard = now;
        self.unacknowledged.remove(&number);
        if self.window < self.threshold {
            self.window += 1.0;
        } else {
            let since = now.as_secs_f64() - self.lost_at;
            let k = (self.largest * (1.0 - BETA) / C).cbrt();
            let wanted = C * (since - k).powi(3) + self.largest;
            self.window += ((wanted - self.window) / self.window).clamp(0.01 / self.window, 0.5);
        }
        while let Some(oldest) = self.unacknowledged.first().copied().filter(|oldest| oldest + REORDERING < number) {
            self.unacknowledged.remove(&oldest);
            if oldest >= self.recover {
                self.recover = self.next;
                self.largest = self.window;
                self.window = (self.window * BETA).max(2.0);
                self.threshold = self.window;
                self.lost_at = now.as_secs_f64();
            }
        }
    }
}
