//! Whether the emulator does what it is told: real UDP across it, against what was configured.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use eyeline_emulator::{LinkConfig, QueueLimit};
use eyeline_tests::logs::{count, percentile};
use eyeline_tests::{Failure, Outcome, ensure};

use super::emulator::Emulator;
use super::{LINK_ADDRESSES, Network};

/// Bytes of UDP and IPv4 headers.
const HEADERS: usize = 28;
/// Nothing more arrives after so long.
const QUIET: Duration = Duration::from_millis(1_500);

/// Packets that crossed, as sent and as they arrived.
struct Crossing {
    sent: usize,
    /// Delay in milliseconds, in the order of arrival.
    delays_ms: Vec<f64>,
    /// From the first arrival to the last.
    span: Duration,
}

/// A burst of traffic: packets of this size, one every so often.
#[derive(Clone, Copy)]
struct Traffic {
    payload: usize,
    every: Duration,
    packets: u32,
}

/// What a short look before a run found, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Least delay of small packets.
    pub(crate) least_ms: f64,
    /// Median delay.
    pub(crate) median_ms: f64,
}

/// A short look at an idle link with 40 small packets.
pub(crate) fn look(network: &Network) -> Outcome<Look> {
    let crossing = cross(network, Traffic { payload: 100, every: Duration::from_millis(12), packets: 40 })?;
    Ok(Look { least_ms: percentile(&crossing.delays_ms, 0.0), median_ms: percentile(&crossing.delays_ms, 0.5) })
}

/// Sends traffic from a to b.
fn cross(network: &Network, traffic: Traffic) -> Outcome<Crossing> {
    let receiver = network.b.within(|| UdpSocket::bind((LINK_ADDRESSES[1], 0)))??;
    let to = receiver.local_addr()?;
    let sender = network.a.within(|| UdpSocket::bind((LINK_ADDRESSES[0], 0)))??;
    receiver.set_read_timeout(Some(QUIET))?;
    let start = Instant::now();
    let receiving = thread::spawn(move || {
        let (mut buffer, mut arrivals) = ([0; 2_048], Vec::new());
        while receiver.recv(&mut buffer).is_ok() {
            let now = start.elapsed();
            let sent = u64::from_le_bytes(buffer[..8].try_into().expect("eight bytes"));
            arrivals.push((Duration::from_nanos(sent), now));
        }
        arrivals
    });
    for number in 0..traffic.packets {
        let at = traffic.every * number;
        thread::sleep(at.saturating_sub(start.elapsed()));
        let mut packet = vec![0; traffic.payload];
        packet[..8].copy_from_slice(&u64::try_from(start.elapsed().as_nanos())?.to_le_bytes());
        sender.send_to(&packet, to)?;
    }
    let arrivals = receiving.join().map_err(|_| Failure::new("the receiver panicked"))?;
    let (first, last) = (arrivals.first().map(|arrival| arrival.1), arrivals.last().map(|arrival| arrival.1));
    Ok(Crossing {
        sent: traffic.packets as usize,
        delays_ms: arrivals.iter().map(|(sent, at)| (*at - *sent).as_secs_f64() * 1000.0).collect(),
        span: last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first),
    })
}

/// Measures delay, jitter, rate, queue and loss of configured links, prints them beside what they should be.
///
/// # Errors
/// When one is off by more than what chance and a busy machine explain.
pub(crate) fn check() -> Outcome {
    println!("{:34} {:>12} {:>12}", "emulator", "configured", "measured");
    let ms = Duration::from_millis;
    let plain = Traffic { payload: 172, every: ms(10), packets: 300 };
    let far = LinkConfig { propagation: ms(50), ..LinkConfig::default() };
    let shaky = LinkConfig { propagation: ms(85), jitter: ms(30), ..LinkConfig::default() };
    let lossy = LinkConfig { loss: 0.1, propagation: ms(10), ..LinkConfig::default() };

    let crossing = under(far, plain)?;
    row("delay, p50, ms", 50.0, percentile(&crossing.delays_ms, 0.5), 1.0)?;
    row("delay, p95, ms", 50.0, percentile(&crossing.delays_ms, 0.95), 3.0)?;
    let crossing = under(shaky, plain)?;
    row("with jitter: delay, p50, ms", 100.0, percentile(&crossing.delays_ms, 0.5), 5.0)?;
    row(
        "with jitter: p95 - p5, ms",
        27.0,
        percentile(&crossing.delays_ms, 0.95) - percentile(&crossing.delays_ms, 0.05),
        4.0,
    )?;
    for rate_bps in [300_000, 1_000_000, 3_000_000] {
        let queue = QueueLimit::Time(ms(200));
        let narrow = LinkConfig { rate_bps: Some(rate_bps), queue, propagation: ms(20), ..LinkConfig::default() };
        let rate = rate_bps as f64;
        // One and a half times what fits, for three seconds.
        let every = Duration::from_secs_f64(1_000.0 * 8.0 / (1.5 * rate));
        let packets = (3.0 * 1.5 * rate / 8_000.0).round() as u32;
        let crossing = under(narrow, Traffic { payload: 1_000 - HEADERS, every, packets })?;
        let bits = count(crossing.delays_ms.len() - 1) * 8_000.0;
        let label = format!("{} kbit/s: rate, kbit/s", rate_bps / 1_000);
        row(&label, rate / 1_000.0, bits / crossing.span.as_secs_f64() / 1_000.0, rate * 0.000_02)?;
        let label = format!("{} kbit/s: longest delay, ms", rate_bps / 1_000);
        // The queue takes whole packets only.
        row(&label, 220.0, percentile(&crossing.delays_ms, 1.0), 8_000.0 / rate * 1_000.0 + 3.0)?;
    }
    let crossing = under(lossy, Traffic { payload: 172, every: ms(1), packets: 4_000 })?;
    let lost = 1.0 - count(crossing.delays_ms.len()) / count(crossing.sent);
    row("loss, %", 10.0, lost * 100.0, 1.5)
}

fn under(config: LinkConfig, traffic: Traffic) -> Outcome<Crossing> {
    let network = Network::build()?;
    let _emulator = Emulator::start(&network, config, 1)?;
    cross(&network, traffic)
}

fn row(label: &str, configured: f64, measured: f64, tolerance: f64) -> Outcome {
    println!("{label:34} {configured:12.1} {measured:12.2}");
    ensure!((measured - configured).abs() <= tolerance, "{label}: {measured} is off by more than {tolerance}");
    Ok(())
}
