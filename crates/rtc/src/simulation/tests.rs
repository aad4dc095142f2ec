use super::*;

const TARGET: Bitrate = Bitrate::from_kbps(2_400);

/// Losses one by one.
fn random(loss: f64, rtt_ms: u64) -> Conditions {
    Conditions { rtt: Duration::from_millis(rtt_ms), bps: 3e6, loss, after_loss: loss }
}

/// Five in a row on average.
fn bursts(loss: f64, rtt_ms: u64) -> Conditions {
    Conditions { after_loss: 0.8, ..random(loss, rtt_ms) }
}

#[test]
fn without_loss_there_is_no_repair() {
    let outcome = run(random(0.0, 50), TARGET, true, 10);
    assert_eq!((outcome.parity_bytes, outcome.resent_bytes, outcome.nacks, outcome.keyframes), (0, 0, 0, 1));
    assert!(outcome.latencies.len() + 3 >= outcome.frames, "{}", outcome.latencies.len());
    assert!(outcome.percentile(0.95) < 66.0, "{}", outcome.percentile(0.95));
}

#[test]
fn five_percent_costs_less_than_a_frame_of_delay() {
    for rtt in [50, 100, 200] {
        let clean = run(random(0.0, rtt), TARGET, true, 10);
        let lossy = run(random(0.05, rtt), TARGET, true, 20);
        assert!(lossy.undisturbed() >= 0.95, "{rtt}: {}", lossy.undisturbed());
        let added = lossy.percentile(0.95) - clean.percentile(0.95);
        assert!(added < 33.0, "{rtt}: {added}");
        assert!(lossy.share(lossy.parity_bytes) < 0.3, "{rtt}");
        assert_eq!(lossy.keyframes, 1, "{rtt}");
    }
}

#[test]
fn twenty_percent_is_a_moving_picture() {
    for rtt in [50, 100] {
        let outcome = run(random(0.2, rtt), TARGET, true, 20);
        assert!(outcome.undisturbed() >= 0.95, "{rtt}: {}", outcome.undisturbed());
        assert!(outcome.frozen < Duration::from_millis(500), "{rtt}: {:?}", outcome.frozen);
        assert!(outcome.latencies.len() * 100 >= outcome.frames * 97, "{rtt}: {}", outcome.latencies.len());
        assert!(outcome.keyframes <= 3, "{rtt}: {}", outcome.keyframes);
    }
}

#[test]
fn a_short_way_costs_little_parity() {
    let outcome = run(random(0.05, 20), TARGET, true, 10);
    assert!(outcome.share(outcome.parity_bytes) < 0.2, "{}", outcome.share(outcome.parity_bytes));
    assert_eq!(outcome.keyframes, 1);
}

/// `cargo test -p eyeline-rtc simulation::tests::table -- --ignored --nocapture`
#[test]
#[ignore = "prints figures for docs/decisions/0013-loss-recovery.md"]
fn table() {
    println!(
        "| loss | RTT ms | parity | no round trip | overhead: parity, resent | p50 / p95 ms | frozen s | keyframes |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let singles = [0.0, 0.02, 0.05, 0.1, 0.2].map(|loss| ("random", loss));
    let several = [0.027, 0.05].map(|loss| ("bursts", loss));
    for target in [TARGET, Bitrate::from_kbps(300)] {
        println!("target {target}");
        for (kind, loss) in singles.into_iter().chain(several) {
            for rtt in [20, 50, 100, 200] {
                for parity in [false, true] {
                    let conditions = if kind == "random" { random } else { bursts };
                    let conditions = Conditions { bps: target.bps() as f64 * 1.25, ..conditions(loss, rtt) };
                    let outcome = run(conditions, target, parity, 60);
                    println!(
                        "| {kind} {} % | {rtt} | {} | {:.1} % | {:.0} %, {:.0} % | {:.0} / {:.0} | {:.1} | {} |",
                        loss * 100.0,
                        if parity { "yes" } else { "no" },
                        outcome.undisturbed() * 100.0,
                        outcome.share(outcome.parity_bytes) * 100.0,
                        outcome.share(outcome.resent_bytes) * 100.0,
                        outcome.percentile(0.5),
                        outcome.percentile(0.95),
                        outcome.frozen.as_secs_f64(),
                        outcome.keyframes,
                    );
                }
            }
        }
    }
}
