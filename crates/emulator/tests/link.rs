//! The link on a virtual clock: each property against what was configured.

use std::time::Duration;

use eyeline_emulator::{Bursts, Counts, Link, LinkConfig, Policer, QueueLimit};

const PACKET_BYTES: usize = 1_250; // 10,000 bits

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A packet says its number and when it was handed in.
type Packet = (u32, Duration);

/// Sends a packet every `every`, `count` times, and returns each that arrives with its time of arrival.
fn run(link: &mut Link<Packet>, start: Duration, every: Duration, count: u32) -> Vec<(Packet, Duration)> {
    let mut arrived = Vec::new();
    for number in 0..count {
        let now = start + every * number;
        collect(link, now, &mut arrived);
        link.enqueue(now, PACKET_BYTES, (number, now));
    }
    collect(link, Duration::MAX, &mut arrived);
    arrived
}

/// Polls at every moment that the link names, up to `until`.
fn collect(link: &mut Link<Packet>, until: Duration, arrived: &mut Vec<(Packet, Duration)>) {
    while let Some(at) = link.next().filter(|at| *at <= until) {
        while let Some(packet) = link.poll(at) {
            arrived.push((packet, at));
        }
    }
}

fn delays(arrived: &[(Packet, Duration)]) -> Vec<Duration> {
    arrived.iter().map(|((_, sent), at)| *at - *sent).collect()
}

#[test]
fn a_perfect_link_delivers_at_once() {
    let mut link = Link::new(LinkConfig::default(), 1);
    let arrived = run(&mut link, ms(5), ms(1), 100);
    assert_eq!(arrived.len(), 100);
    assert!(delays(&arrived).iter().all(Duration::is_zero));
    assert_eq!(link.next(), None);
}

#[test]
fn rate_and_propagation_add_up() {
    let config = LinkConfig { rate_bps: Some(1_000_000), propagation: ms(40), ..LinkConfig::default() };
    // A packet takes 10 ms; one every 20 ms finds the link free.
    let arrived = run(&mut Link::new(config, 1), ms(0), ms(20), 50);
    assert_eq!(arrived.len(), 50);
    assert!(delays(&arrived).iter().all(|delay| *delay == ms(50)), "{:?}", delays(&arrived));
}

#[test]
fn an_overloaded_link_carries_its_rate_and_queues_to_its_bound() {
    for queue in [QueueLimit::Time(ms(200)), QueueLimit::Bytes(25_000)] {
        let config = LinkConfig { rate_bps: Some(1_000_000), queue, ..LinkConfig::default() };
        let mut link = Link::new(config, 1);
        // Twice the rate for ten seconds.
        let arrived = run(&mut link, ms(0), ms(5), 2_000);
        let in_ten_seconds = arrived.iter().filter(|(_, at)| *at <= ms(10_000)).count();
        assert_eq!(in_ten_seconds, 1_000);
        let worst = delays(&arrived).into_iter().max().unwrap();
        assert!(worst <= ms(200) && worst > ms(190), "{worst:?}");
        let counts = link.counts();
        assert_eq!(counts.overflowed + counts.delivered, 2_000);
    }
}

#[test]
fn a_packet_larger_than_the_queue_passes_when_nothing_waits() {
    let config = LinkConfig { rate_bps: Some(100_000), queue: QueueLimit::Bytes(100), ..LinkConfig::default() };
    let mut link = Link::new(config, 1);
    assert!(link.enqueue(ms(0), PACKET_BYTES, (0, ms(0))));
    assert!(!link.enqueue(ms(1), 50, (1, ms(1))), "1,237 bytes still wait");
}

#[test]
fn a_change_of_rate_takes_effect_within_a_packet() {
    let fast = LinkConfig { rate_bps: Some(1_000_000), ..LinkConfig::default() };
    let slow = LinkConfig { rate_bps: Some(100_000), ..fast };
    let mut link = Link::new(fast, 1);
    for number in 0..3 {
        link.enqueue(ms(0), PACKET_BYTES, (number, ms(0)));
    }
    assert_eq!(link.queueing_delay(ms(0)), ms(30));
    // The first is through, half of the second: its other half takes 50 ms, the third 100 ms.
    link.reconfigure(ms(15), slow);
    assert_eq!(link.queueing_delay(ms(15)), ms(150));
    let mut arrived = Vec::new();
    collect(&mut link, ms(100), &mut arrived);
    // And faster again: 35 ms after 65 ms the third has sent 3,500 of its bits.
    link.reconfigure(ms(100), fast);
    collect(&mut link, Duration::MAX, &mut arrived);
    let times: Vec<Duration> = arrived.iter().map(|(_, at)| *at).collect();
    assert_eq!(times, [ms(10), ms(65), Duration::from_micros(106_500)]);
}

#[test]
fn odd_rates_do_not_drift_however_often_one_looks() {
    let config = LinkConfig { rate_bps: Some(333_333), queue: QueueLimit::Bytes(10_000_000), ..LinkConfig::default() };
    let mut link = Link::new(config, 1);
    for number in 0..100 {
        link.enqueue(ms(0), PACKET_BYTES, (number, ms(0)));
    }
    let mut last = Duration::ZERO;
    for step in 0_u32..400_000 {
        let now = Duration::from_nanos(10_007) * step;
        while link.poll(now).is_some() {
            last = now;
        }
    }
    let ideal = 100.0 * 10_000.0 / 333_333.0;
    assert!((last.as_secs_f64() - ideal).abs() < 0.000_5, "{last:?}, not {ideal}");
}

#[test]
fn jitter_is_bounded_uniform_and_keeps_order_unless_told_otherwise() {
    let config = LinkConfig { propagation: ms(85), jitter: ms(30), ..LinkConfig::default() };
    let arrived = run(&mut Link::new(config, 3), ms(0), ms(50), 5_000);
    let added: Vec<f64> = delays(&arrived).iter().map(|delay| (*delay - ms(85)).as_secs_f64() * 1e3).collect();
    let mean = added.iter().sum::<f64>() / 5_000.0;
    let deviation = (added.iter().map(|ms| (ms - mean).powi(2)).sum::<f64>() / 5_000.0).sqrt();
    assert!(added.iter().all(|ms| (0.0..=30.0).contains(ms)));
    assert!((mean - 15.0).abs() < 0.5 && (deviation - 30.0 / 12.0_f64.sqrt()).abs() < 0.3, "{mean} {deviation}");

    let overtakes = |config| {
        let arrived = run(&mut Link::new(config, 3), ms(0), ms(2), 5_000);
        assert_eq!(arrived.len(), 5_000);
        arrived.windows(2).filter(|pair| pair[0].0.0 > pair[1].0.0).count()
    };
    assert_eq!(overtakes(config), 0);
    assert!(overtakes(LinkConfig { may_reorder: true, ..config }) > 1_000);
}

#[test]
fn random_loss_has_its_share_and_takes_capacity() {
    let config = LinkConfig { rate_bps: Some(1_000_000), loss: 0.1, ..LinkConfig::default() };
    let mut link = Link::new(config, 11);
    let arrived = run(&mut link, ms(0), ms(10), 20_000);
    let lost = 1.0 - f64::from(u32::try_from(arrived.len()).unwrap()) / 20_000.0;
    assert!((lost - 0.1).abs() < 0.007, "{lost}");
    // One packet every 10 ms is all that the link carries; were lost ones free, there would be no waiting after them.
    assert!(delays(&arrived).iter().all(|delay| *delay == ms(10)));
}

#[test]
fn bursts_have_their_share_and_length() {
    let config = LinkConfig { bursts: Some(Bursts::of(0.027, 6.0)), ..LinkConfig::default() };
    let mut link = Link::new(config, 5);
    let mut lengths = Vec::new();
    let mut length = 0_u32;
    for number in 0..200_000 {
        if link.enqueue(ms(0), PACKET_BYTES, (number, ms(0))) {
            lengths.extend((length > 0).then_some(length));
            length = 0;
        } else {
            length += 1;
        }
    }
    let lost = f64::from(lengths.iter().sum::<u32>());
    let mean = lost / f64::from(u32::try_from(lengths.len()).unwrap());
    assert!((lost / 200_000.0 - 0.027).abs() < 0.004, "{lost}");
    assert!((mean - 6.0).abs() < 0.7, "{mean}");
}

#[test]
fn a_policer_lets_a_burst_and_then_its_rate_through() {
    let policer = Policer { rate_bps: 1_000_000, burst_bytes: 12_500 };
    let mut link = Link::new(LinkConfig { policer: Some(policer), ..LinkConfig::default() }, 1);
    // 4 Mbit/s for ten seconds.
    let arrived = run(&mut link, ms(0), Duration::from_micros(2_500), 4_000);
    assert!(arrived.len().abs_diff(1_010) <= 1, "{}", arrived.len());
    assert!(delays(&arrived).iter().all(Duration::is_zero), "a policer delays nothing");
    assert_eq!(link.counts().policed + link.counts().delivered, 4_000);
}

#[test]
fn a_link_that_goes_down_loses_what_waits_and_delivers_what_is_on_its_way() {
    let up = LinkConfig { rate_bps: Some(1_000_000), propagation: ms(100), ..LinkConfig::default() };
    let mut link = Link::new(up, 1);
    for number in 0..3 {
        link.enqueue(ms(0), PACKET_BYTES, (number, ms(0)));
    }
    link.reconfigure(ms(15), LinkConfig { up: false, ..up });
    assert!(!link.enqueue(ms(20), PACKET_BYTES, (3, ms(20))));
    let mut arrived = Vec::new();
    collect(&mut link, ms(1_000), &mut arrived);
    assert_eq!(arrived, [((0, ms(0)), ms(110))]);
    link.reconfigure(ms(1_000), up);
    assert!(link.enqueue(ms(1_000), PACKET_BYTES, (4, ms(1_000))));
    assert_eq!(link.next(), Some(ms(1_110)));
    assert_eq!(link.counts(), Counts { offered: 5, down: 3, delivered: 1, ..Counts::default() });
}

#[test]
fn the_seed_alone_decides() {
    let config = LinkConfig {
        rate_bps: Some(2_000_000),
        propagation: ms(20),
        jitter: ms(10),
        loss: 0.05,
        bursts: Some(Bursts::of(0.02, 4.0)),
        ..LinkConfig::default()
    };
    let fate = |seed| run(&mut Link::new(config, seed), ms(0), ms(4), 3_000);
    assert_eq!(fate(1), fate(1));
    assert_ne!(fate(1), fate(2));
}
