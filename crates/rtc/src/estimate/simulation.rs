//! The estimator against a simulated bottleneck: a queue before a link of limited rate, delay, jitter and loss.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_media::units::Bitrate;

use super::{Estimator, LossDelayEstimator, PacketFeedback};
use crate::link::RateLimits;

const TICK: Duration = Duration::from_millis(1);
const FEEDBACK: Duration = Duration::from_millis(50);
const FRAME: Duration = Duration::from_millis(33);
const PACKET: usize = 1_200;

struct Link {
    bps: f64,
    one_way: Duration,
    jitter: Duration,
    loss: f64,
    /// Seconds of queue before packets are dropped.
    depth: f64,
}

impl Default for Link {
    fn default() -> Self {
        Self { bps: 3e6, one_way: Duration::from_millis(20), jitter: Duration::ZERO, loss: 0.0, depth: 0.5 }
    }
}

struct Simulation {
    link: Link,
    estimator: LossDelayEstimator,
    /// The encoder makes at most this much.
    encoder_max: f64,
    start: Instant,
    now: Instant,
    seed: u64,
    link_free: Instant,
    to_send: VecDeque<usize>,
    next_frame: Instant,
    next_packet: Instant,
    flying: VecDeque<(Instant, PacketFeedback)>,
    next_feedback: Instant,
    feedback: VecDeque<(Instant, Vec<PacketFeedback>)>,
    delivered: usize,
    worst_queue: Duration,
}

impl Simulation {
    fn new(start_kbps: u64, max_kbps: u64, link: Link) -> Self {
        let now = Instant::now();
        let limits = Arc::new(RateLimits::new(Bitrate::from_kbps(60), Bitrate::from_kbps(max_kbps)));
        Self {
            link,
            estimator: LossDelayEstimator::new(now, Bitrate::from_kbps(start_kbps), limits),
            encoder_max: f64::MAX,
            start: now,
            now,
            seed: 42,
            link_free: now,
            to_send: VecDeque::new(),
            next_frame: now,
            next_packet: now,
            flying: VecDeque::new(),
            next_feedback: now + FEEDBACK,
            feedback: VecDeque::new(),
            delivered: 0,
            worst_queue: Duration::ZERO,
        }
    }

    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 40) as f64 / (1_u64 << 24) as f64
    }

    fn target(&self) -> f64 {
        self.estimator.target().bps() as f64
    }

    /// Runs for `seconds` and returns the mean delivered rate in bits per second.
    fn run(&mut self, seconds: u64) -> f64 {
        let end = self.now + Duration::from_secs(seconds);
        self.delivered = 0;
        self.worst_queue = Duration::ZERO;
        while self.now < end {
            self.now += TICK;
            self.encode();
            self.pace();
            self.report();
        }
        self.delivered as f64 * 8.0 / seconds as f64
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a frame")]
    fn encode(&mut self) {
        while self.next_frame <= self.now {
            self.next_frame += FRAME;
            let mut bytes = (self.target().min(self.encoder_max) * FRAME.as_secs_f64() / 8.0) as usize;
            while bytes > 0 {
                let size = bytes.min(PACKET);
                self.to_send.push_back(size);
                bytes -= size;
            }
        }
    }

    fn pace(&mut self) {
        while self.next_packet <= self.now
            && let Some(size) = self.to_send.pop_front()
        {
            let pace = Duration::from_secs_f64(size as f64 * 8.0 / (2.5 * self.target()));
            self.next_packet = self.next_packet.max(self.now - TICK) + pace;
            self.transmit(size);
        }
    }

    fn transmit(&mut self, size: usize) {
        let departure = self.now;
        let waiting = self.link_free.saturating_duration_since(self.now);
        let lost = waiting.as_secs_f64() > self.link.depth || self.random() < self.link.loss;
        let mut packet = PacketFeedback { size, departure, arrival: None };
        let mut at = self.now + waiting + self.link.one_way;
        if !lost {
            self.worst_queue = self.worst_queue.max(waiting);
            self.link_free = self.link_free.max(self.now) + Duration::from_secs_f64(size as f64 * 8.0 / self.link.bps);
            let jitter = self.link.jitter.mul_f64(self.random());
            at = self.link_free + self.link.one_way + jitter;
            packet.arrival = Some(at - self.start);
        }
        self.flying.push_back((at, packet));
    }

    fn report(&mut self) {
        if self.next_feedback <= self.now {
            self.next_feedback += FEEDBACK;
            let mut batch = Vec::new();
            while self.flying.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, packet) = self.flying.pop_front().unwrap();
                self.delivered += packet.arrival.map_or(0, |_| packet.size);
                batch.push(packet);
            }
            self.feedback.push_back((self.now + self.link.one_way, batch));
        }
        while self.feedback.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, batch) = self.feedback.pop_front().unwrap();
            self.estimator.on_reports(self.now, &batch);
        }
    }
}

#[test]
fn fills_a_steady_link_and_keeps_its_queue_short() {
    let mut simulation = Simulation::new(300, 10_000, Link::default());
    simulation.run(6);
    let rate = simulation.run(20);
    assert!(rate > 0.75 * 3e6, "{rate}");
    assert!(simulation.worst_queue < Duration::from_millis(200), "{:?}", simulation.worst_queue);
}

#[test]
fn settles_after_a_drop_and_finds_the_old_rate_again() {
    let mut simulation = Simulation::new(800, 3_000, Link { depth: 2.0, ..Link::default() });
    simulation.run(10);
    simulation.link.bps = 0.5e6;
    simulation.run(5);
    let rate = simulation.run(5);
    assert!((0.65 * 0.5e6..=0.5e6).contains(&rate), "{rate}");
    assert!(simulation.worst_queue < Duration::from_millis(200), "settled: {:?}", simulation.worst_queue);
    simulation.link.bps = 3e6;
    simulation.run(12);
    let rate = simulation.run(5);
    assert!(rate > 0.75 * 3e6, "{rate}");
}

#[test]
fn random_loss_does_not_starve_it() {
    for (loss, least) in [(0.02, 0.65), (0.05, 0.6), (0.10, 0.35), (0.2, 0.1)] {
        let mut simulation = Simulation::new(800, 10_000, Link { loss, ..Link::default() });
        simulation.run(15);
        let rate = simulation.run(20);
        assert!(rate > least * 3e6, "{loss}: {rate}");
    }
}

#[test]
fn reaches_the_maximum_of_a_free_link_from_far_below() {
    let mut simulation = Simulation::new(100, 2_500, Link { bps: 10e6, ..Link::default() });
    simulation.run(12);
    assert!(simulation.target() > 0.99 * 2.5e6, "{}", simulation.target());
}

#[test]
fn a_short_queue_shows_in_loss_and_is_not_overrun() {
    let mut simulation = Simulation::new(800, 10_000, Link { depth: 0.012, ..Link::default() });
    simulation.run(10);
    let rate = simulation.run(20);
    assert!(rate > 0.5 * 3e6, "{rate}");
    assert!(simulation.target() < 1.3 * 3e6, "{}", simulation.target());
}

#[test]
fn jitter_is_no_queue() {
    let link = Link { jitter: Duration::from_millis(30), one_way: Duration::from_millis(100), ..Link::default() };
    let mut simulation = Simulation::new(300, 10_000, link);
    simulation.run(10);
    let rate = simulation.run(20);
    assert!(rate > 0.6 * 3e6, "{rate}");
}

#[test]
fn an_idle_encoder_neither_raises_nor_lowers_it() {
    let mut simulation = Simulation::new(800, 10_000, Link::default());
    simulation.encoder_max = 200e3;
    simulation.run(30);
    assert!((0.7e6..1.0e6).contains(&simulation.target()), "{}", simulation.target());
    simulation.encoder_max = f64::MAX;
    simulation.run(8);
    assert!(simulation.run(5) > 0.7 * 3e6);
}
