//! The links on which the systems are compared, and what happens on them.

use std::time::Duration;

use eyeline_emulator::{Bursts, LinkConfig, QueueLimit};

/// From the first picture until figures count: the call finds its pace.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);
/// Length of a call in which nothing changes, from the first picture.
const LENGTH: Duration = Duration::from_secs(20);

/// A comparison.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Its name on the command line and in tables.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) about: &'static str,
    /// What the link is like in both directions, at first.
    pub(crate) link: LinkConfig,
    /// What happens, and when after the first picture.
    pub(crate) steps: Vec<(Duration, Step)>,
    /// When it ends, after the first picture.
    pub(crate) length: Duration,
    pub(crate) kind: Kind,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Picture and sound from a to b.
    OneWay,
    /// Two such calls at the same time.
    Shared,
    /// Processor time and memory of a call with picture and sound in both directions.
    Cost,
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The link is like this from now on.
    Link(LinkConfig),
    /// b gets another address.
    NewAddress,
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    let steady =
        |name, about, link| Scenario { name, about, link, steps: Vec::new(), length: LENGTH, kind: Kind::OneWay };
    let lan = LinkConfig::default();
    let broad = link(3_000_000, 40);
    let lossy = |loss| LinkConfig { loss, ..link(3_000_000, 50) };
    let mut all = vec![
        steady("lan", "no limit", lan),
        steady("3M-40ms", "3 Mbit/s, 40 ms round trip", broad),
        steady("1M-100ms", "1 Mbit/s, 100 ms", link(1_000_000, 100)),
        steady("300k-100ms", "0.3 Mbit/s, 100 ms", link(300_000, 100)),
        steady("loss2", "3 Mbit/s, 50 ms, 2 % of packets lost", lossy(0.02)),
        steady("loss5", "3 Mbit/s, 50 ms, 5 % lost", lossy(0.05)),
        steady("loss10", "3 Mbit/s, 50 ms, 10 % lost", lossy(0.10)),
        steady("loss20", "3 Mbit/s, 50 ms, 20 % lost", lossy(0.20)),
        steady(
            "bursts",
            "3 Mbit/s, 50 ms, 2.7 % lost in bursts of 5 packets on average",
            LinkConfig { bursts: Some(Bursts::of(0.027, 5.0)), ..link(3_000_000, 50) },
        ),
        steady(
            "jitter",
            "3 Mbit/s, 200 ms, uniform jitter of 30 ms, order kept",
            LinkConfig { propagation: ms(85), jitter: ms(30), ..link(3_000_000, 0) },
        ),
        steady(
            "deep-queue",
            "1 Mbit/s, 50 ms, queue of 1 s",
            LinkConfig { queue: QueueLimit::Time(ms(1_000)), ..link(1_000_000, 50) },
        ),
    ];
    all.extend(changing(broad));
    all.push(Scenario {
        length: Duration::from_secs(30),
        kind: Kind::Shared,
        ..steady("two-calls", "two calls of the same system share 3 Mbit/s, 40 ms", broad)
    });
    all.push(Scenario {
        length: Duration::from_secs(50),
        kind: Kind::Cost,
        ..steady("cost", "no limit, picture and sound in both directions, nothing analysed", lan)
    });
    all
}

/// Those in which something happens.
fn changing(broad: LinkConfig) -> [Scenario; 3] {
    let narrow = LinkConfig { rate_bps: Some(500_000), ..broad };
    let seconds = Duration::from_secs;
    let scenario = |name, about, steps, length| Scenario {
        name,
        about,
        link: broad,
        steps,
        length: seconds(length),
        kind: Kind::OneWay,
    };
    [
        scenario(
            "drop",
            "3 Mbit/s, 40 ms; 0.5 Mbit/s between 15 s and 35 s",
            vec![(seconds(15), Step::Link(narrow)), (seconds(35), Step::Link(broad))],
            60,
        ),
        scenario(
            "outage",
            "3 Mbit/s, 40 ms; nothing passes between 15 s and 20 s",
            vec![(seconds(15), Step::Link(LinkConfig { up: false, ..broad })), (seconds(20), Step::Link(broad))],
            35,
        ),
        scenario(
            "address",
            "3 Mbit/s, 40 ms; the receiver's address changes at 15 s",
            vec![(seconds(15), Step::NewAddress)],
            32,
        ),
    ]
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A rate in bit/s, and half a round trip each way; 200 ms of queue.
fn link(rate_bps: u64, round_trip_ms: u64) -> LinkConfig {
    LinkConfig { rate_bps: Some(rate_bps), propagation: ms(round_trip_ms / 2), ..LinkConfig::default() }
}
