//! What is promised on each kind of path. Every test prints its row of the table in docs/decisions/0012:
//! `cargo test --package eyeline-rtc simulation -- --nocapture`.

use std::time::Duration;

use eyeline_emulator::{Bursts, LinkConfig, Policer, QueueLimit};

use super::tcp::Tcp;
use super::{Stalls, World, kbps};

const MS: Duration = Duration::from_millis(1);

/// Prints and returns: share of `capacity` used, and what packets waited: 95 % of them at most, and the longest (ms).
fn figures(name: &str, world: &World, span: (f64, f64), capacity: f64) -> (f64, f64, f64) {
    let flow = &world.flows[0];
    let used = flow.rate(span.0, span.1) / capacity;
    let waited = |quantile| flow.waited(span.0, span.1, quantile);
    let reached = flow.reaches(0.0, span.1, capacity * 0.8).map_or("never".to_owned(), |at| format!("{at:.1}"));
    println!(
        "| {name} | {:.0} % | {:.0} / {:.0} / {:.0} | {:.0} | {:.1} % | {reached} | {} |",
        used * 100.0,
        waited(0.5),
        waited(0.95),
        waited(1.0),
        flow.sound_waited(span.0, span.1, 0.95),
        flow.lost() * 100.0,
        flow.frames_dropped,
    );
    (used, waited(0.95), waited(1.0))
}

/// Of `most_ms`, packets wait the first (p95) and sound the second.
fn steady(rate: u64, most_ms: (f64, f64)) {
    let mut world = World::alone(kbps(rate));
    world.run(40);
    let (used, p95, max) = figures(&format!("steady {rate} kbit/s"), &world, (10.0, 40.0), rate as f64 * 1e3);
    assert!(used > 0.80, "{used}");
    let sound = world.flows[0].sound_waited(10.0, 40.0, 0.95);
    assert!(p95 < most_ms.0 && max < 3.0 * most_ms.0, "{p95} {max}");
    assert!(sound < most_ms.1, "{sound}");
}

#[test]
fn steady_300k() {
    steady(300, (75.0, 65.0));
}

#[test]
fn steady_1m() {
    steady(1_000, (55.0, 46.0));
}

#[test]
fn steady_3m() {
    steady(3_000, (46.0, 37.0));
}

#[test]
fn steady_10m() {
    steady(10_000, (46.0, 35.0));
}

#[test]
fn a_free_path_is_used_within_two_seconds() {
    let mut world = World::new(kbps(10_000));
    world.join(800, 2_548);
    world.run(15);
    figures("free, at most 2.5 Mbit/s", &world, (3.0, 15.0), 2.5e6);
    let reached = world.flows[0].reaches(0.0, 15.0, 0.9 * 2.4e6).unwrap();
    assert!(reached < 2.5, "{reached}");
}

/// Drops to 0.5 Mbit/s after 15 s and rises again 20 s later; up to `queue` waits at the narrow link.
fn drop_and_rise(queue: Duration) -> (f64, f64) {
    let mut world = World::new(kbps(3_000));
    world.join(800, 2_548);
    world.run(15);
    world.change(|link| {
        link.rate_bps = Some(500_000);
        link.queue = QueueLimit::Time(queue);
    });
    world.run(20);
    world.change(|link| link.rate_bps = Some(3_000_000));
    world.run(25);
    let name = format!("3 -> 0.5 Mbit/s for 20 s, {} ms of buffer", queue.as_millis());
    let (_, _, worst) = figures(&name, &world, (15.0, 35.0), 0.5e6);
    let flow = &world.flows[0];
    let settled = flow.settles(15.0, 35.0, 150.0);
    let after = flow.rate(18.0, 35.0);
    let back = flow.reaches(35.0, 60.0, 0.85 * 2.5e6).unwrap();
    println!("| ... settles after {settled:.1} s, then {after:.0} bit/s; after the rise back after {back:.1} s |");
    assert!(after > 0.8 * 0.5e6, "{after}");
    assert!(back < 5.0, "{back}");
    (settled, worst)
}

#[test]
fn a_drop_is_followed_at_once_and_a_rise_soon() {
    let (settled, worst) = drop_and_rise(3_000 * MS);
    assert!(settled < 2.0 && worst < 1_200.0, "{settled} {worst}");
}

#[test]
fn a_drop_with_little_buffer_loses_packets_and_is_followed_as_well() {
    let (settled, worst) = drop_and_rise(200 * MS);
    assert!(settled < 2.0 && worst < 500.0, "{settled} {worst}");
}

#[test]
fn an_encoder_that_cannot_make_less_is_not_taken_for_others() {
    let mut world = World::new(kbps(3_000));
    world.join(800, 2_548);
    world.run(15);
    world.change(|link| link.rate_bps = Some(500_000));
    world.flows[0].encoder_min = 480e3;
    world.run(4);
    world.flows[0].encoder_min = 30e3;
    world.run(10);
    let most = world.flows[0].targets.iter().skip(160).copied().fold(0.0, f64::max);
    let (used, p95, _) = figures("3 -> 0.5 Mbit/s, encoder too slow to follow", &world, (20.0, 29.0), 0.5e6);
    assert!(most < 700e3, "{most}");
    assert!(used > 0.75 && p95 < 120.0, "{used} {p95}");
}

#[test]
fn random_loss_does_not_starve_it() {
    for (loss, least) in [(0.0, 0.8), (0.02, 0.75), (0.05, 0.7), (0.10, 0.6), (0.2, 0.5)] {
        let mut config = kbps(3_000);
        (config.loss, config.propagation) = (loss, 25 * MS);
        let mut world = World::alone(config);
        world.run(40);
        let name = format!("3 Mbit/s, loss {:.0} %", loss * 100.0);
        let (used, p95, _) = figures(&name, &world, (10.0, 40.0), 3e6 * (1.0 - loss));
        assert!(used > least, "{loss}: {used}");
        assert!(p95 < 150.0, "{loss}: {p95}");
    }
}

#[test]
fn bursts_of_loss_do_not_starve_it() {
    let mut config = kbps(3_000);
    config.bursts = Some(Bursts::of(0.027, 8.0));
    let mut world = World::alone(config);
    world.run(40);
    let (used, p95, _) = figures("3 Mbit/s, bursts of loss 2.7 %", &world, (10.0, 40.0), 3e6);
    assert!(used > 0.7 && p95 < 150.0, "{used} {p95}");
}

#[test]
fn jitter_is_no_queue() {
    for reorders in [false, true] {
        let mut config = kbps(3_000);
        (config.propagation, config.jitter, config.may_reorder) = (100 * MS, 30 * MS, reorders);
        let mut world = World::alone(config);
        world.run(40);
        let name = if reorders { "200 ms RTT, 30 ms jitter that reorders" } else { "200 ms RTT, 30 ms jitter" };
        let (used, p95, _) = figures(name, &world, (10.0, 40.0), 3e6);
        assert!(used > 0.7 && p95 < 150.0, "{used} {p95}");
    }
}

#[test]
fn a_busy_receiver_is_no_queue() {
    for rate in [500, 3_000] {
        let mut world = World::new(kbps(rate));
        world.join(800, 2_548);
        world.stalls = Some(Stalls { period: 1_000 * MS, length: 40 * MS });
        world.run(40);
        let name = format!("{rate} kbit/s, receiver stalls 40 ms each second");
        let (used, p95, _) =
            figures(&name, &world, (10.0, 40.0), rate as f64 * 1e3 * 0.99_f64.min(2.5e6 / (rate as f64 * 1e3)));
        assert!(used > 0.8 && p95 < 150.0, "{used} {p95}");
    }
}

#[test]
fn a_deep_buffer_stays_empty() {
    let mut config = kbps(1_000);
    (config.propagation, config.queue) = (50 * MS, QueueLimit::Time(1_000 * MS));
    let mut world = World::alone(config);
    world.run(40);
    let (used, p95, max) = figures("1 Mbit/s, 1 s of buffer", &world, (5.0, 40.0), 1e6);
    assert!(used > 0.8 && p95 < 100.0 && max < 300.0, "{used} {p95} {max}");
}

#[test]
fn a_short_buffer_is_not_overrun() {
    let mut config = kbps(3_000);
    config.queue = QueueLimit::Time(12 * MS);
    let mut world = World::alone(config);
    world.run(40);
    let (used, ..) = figures("3 Mbit/s, 12 ms of buffer", &world, (10.0, 40.0), 3e6);
    assert!(used > 0.65, "{used}");
    assert!(world.flows[0].lost() < 0.10, "{}", world.flows[0].lost());
}

#[test]
fn a_policer_is_obeyed() {
    let policer = Policer { rate_bps: 2_000_000, burst_bytes: 25_000 };
    let mut world = World::alone(LinkConfig { policer: Some(policer), propagation: 20 * MS, ..LinkConfig::default() });
    world.run(40);
    let (used, ..) = figures("policer 2 Mbit/s, 25 kB", &world, (10.0, 40.0), 2e6);
    assert!(used > 0.65, "{used}");
    assert!(world.flows[0].lost() < 0.13, "{}", world.flows[0].lost());
}

#[test]
fn tcp_beside_it_does_not_starve_it() {
    for queue_ms in [200, 1_000] {
        let mut config = kbps(3_000);
        config.queue = QueueLimit::Time(MS * queue_ms);
        let mut world = World::alone(config);
        world.run(10);
        world.tcp = Some(Tcp::new(world.now));
        world.run(60);
        let tcp = world.tcp.take().unwrap().delivered as f64 * 8.0 / 60.0;
        let name = format!("TCP beside it, {queue_ms} ms of buffer");
        let (used, ..) = figures(&name, &world, (20.0, 70.0), 3e6);
        println!("| ... TCP has {:.0} % |", tcp / 3e6 * 100.0);
        world.run(15);
        let regained = world.flows[0].rate(80.0, 85.0) / 3e6;
        assert!(used > 0.12, "{used}");
        assert!(tcp > 0.2 * 3e6, "{tcp}");
        assert!(regained > 0.75, "{regained}");
    }
}

#[test]
fn two_of_us_share_alike_and_a_late_comer_gets_its_share() {
    let mut world = World::new(kbps(3_000));
    world.join(800, 10_000);
    world.run(20);
    world.join(800, 10_000);
    world.run(60);
    let (_, p95, _) = figures("two of us, the other 20 s later", &world, (30.0, 80.0), 3e6);
    let (a, b) = (world.flows[0].rate(50.0, 80.0), world.flows[1].rate(30.0, 60.0));
    let jain = (a + b).powi(2) / (2.0 * (a * a + b * b));
    println!("| ... {a:.0} and {b:.0} bit/s, Jain's index {jain:.3} |");
    assert!(jain > 0.85, "{a} {b}");
    assert!(a + b > 0.75 * 3e6 && p95 < 150.0, "{a} {b} {p95}");
}

#[test]
fn a_still_picture_neither_raises_nor_lowers_it_and_demand_is_met_soon() {
    let mut world = World::alone(kbps(3_000));
    world.flows[0].has_padding = false;
    world.flows[0].encoder_max = 150e3;
    world.run(30);
    let target = *world.flows[0].targets.last().unwrap();
    assert!((0.7e6..1.6e6).contains(&target), "{target}");
    world.flows[0].encoder_max = f64::MAX;
    world.run(20);
    figures("still picture for 30 s, then demand", &world, (30.0, 50.0), 3e6);
    let reached = world.flows[0].reaches(30.0, 50.0, 0.8 * 3e6).unwrap();
    println!("| ... demand met after {reached:.1} s |");
    assert!(reached < 4.0, "{reached}");
}

#[test]
fn an_outage_stops_it_and_it_is_back_soon() {
    let mut world = World::new(kbps(3_000));
    world.join(800, 2_548);
    world.run(10);
    world.change(|link| link.up = false);
    world.run(5);
    let sent = world.flows[0].targets.last().copied().unwrap();
    world.change(|link| link.up = true);
    world.run(15);
    figures("outage of 5 s", &world, (15.0, 30.0), 2.5e6);
    let back = world.flows[0].reaches(15.0, 30.0, 0.6 * 2.5e6).unwrap();
    println!("| ... target during it {sent:.0} bit/s, back after {back:.1} s |");
    assert!(sent < 100e3, "{sent}");
    assert!(back < 2.5, "{back}");
}

#[test]
fn lost_feedback_is_not_lost_media() {
    let mut world = World::alone(kbps(3_000));
    world.feedback_loss = 0.2;
    world.run(40);
    let (used, p95, _) = figures("3 Mbit/s, feedback loss 20 %", &world, (10.0, 40.0), 3e6);
    assert!(used > 0.75 && p95 < 150.0, "{used} {p95}");
}
