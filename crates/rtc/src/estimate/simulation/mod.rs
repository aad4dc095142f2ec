//! Estimator, history and pacer against an emulated bottleneck, on a virtual clock: what they do for picture and sound, in figures.

mod flow;
mod scenarios;
mod tcp;

use std::time::{Duration, Instant};

use eyeline_emulator::{Link, LinkConfig};

use flow::Flow;
use tcp::Tcp;

const TICK: Duration = Duration::from_millis(1);
/// Bytes of UDP, IP and SRTP around a packet.
const AROUND: usize = 38;

/// What crosses the bottleneck.
#[derive(Clone, Copy, Debug)]
enum Cargo {
    Media { flow: usize, sequence: u16, size: usize, made_at: Duration },
    Tcp { number: u64 },
}

/// The receiving machine is busy and takes nothing from its socket for `length`, every `period`.
#[derive(Clone, Copy, Debug)]
struct Stalls {
    period: Duration,
    length: Duration,
}

/// Senders that share a bottleneck.
struct World {
    now: Duration,
    epoch: Instant,
    link: Link<Cargo>,
    /// What comes back is as long under way, and this share of it gets lost.
    feedback_loss: f64,
    stalls: Option<Stalls>,
    feedback_interval: Duration,
    flows: Vec<Flow>,
    tcp: Option<Tcp>,
    /// What the receiver has not taken from its socket.
    socket: Vec<Cargo>,
}

impl World {
    fn new(config: LinkConfig) -> Self {
        Self {
            now: Duration::ZERO,
            epoch: Instant::now(),
            link: Link::new(config, 7),
            feedback_loss: 0.0,
            stalls: None,
            feedback_interval: Duration::from_millis(50),
            flows: Vec::new(),
            tcp: None,
            socket: Vec::new(),
        }
    }

    /// Adds one of our senders that begins now. Returns its number.
    fn join(&mut self, start_kbps: u64, max_kbps: u64) -> usize {
        let number = self.flows.len();
        self.flows.push(Flow::new(number, self.epoch, self.now, start_kbps, max_kbps));
        number
    }

    /// One of our senders alone, from 800 to at most 10,000 kbit/s.
    fn alone(config: LinkConfig) -> Self {
        let mut world = Self::new(config);
        world.join(800, 10_000);
        world
    }

    fn change(&mut self, change: impl FnOnce(&mut LinkConfig)) {
        let mut config = *self.link.config();
        change(&mut config);
        self.link.reconfigure(self.now, config);
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.now += TICK;
            self.step();
        }
    }

    fn step(&mut self) {
        let (now, back) = (self.now, self.link.config().propagation);
        for flow in &mut self.flows {
            flow.send(now, &mut self.link);
        }
        if let Some(tcp) = &mut self.tcp {
            tcp.send(now, &mut self.link);
        }
        while let Some(cargo) = self.link.poll(now) {
            self.socket.push(cargo);
        }
        let stalled =
            self.stalls.is_some_and(|stalls| now.as_nanos() % stalls.period.as_nanos() < stalls.length.as_nanos());
        if stalled {
            return;
        }
        for cargo in self.socket.drain(..) {
            match (cargo, &mut self.tcp) {
                (Cargo::Media { flow, sequence, size, made_at }, _) => {
                    self.flows[flow].receive(now, sequence, size, made_at + back);
                }
                (Cargo::Tcp { number }, Some(tcp)) => tcp.receive(now, number, back),
                (Cargo::Tcp { .. }, None) => {}
            }
        }
        let up = self.link.config().up;
        for flow in &mut self.flows {
            flow.feed_back(now, self.feedback_interval, back, if up { self.feedback_loss } else { 1.0 });
        }
    }
}

fn kbps(rate: u64) -> LinkConfig {
    LinkConfig { rate_bps: Some(rate * 1_000), propagation: Duration::from_millis(20), ..LinkConfig::default() }
}
