//! Load for a TURN server: what passes through it, how late, and what that costs. For this relay (`--serve`) and for any other
//! that takes shared-secret credentials of realm "eyeline", so that two can be compared in one run:
//!
//! ```text
//! cargo run --release --package eyeline-server --example relay_load -- --serve 127.0.0.1:3478 --secret north &
//! turnserver -n --no-cli --no-tls --no-dtls --listening-ip 127.0.0.1 --relay-ip 127.0.0.1 --listening-port 3479 \
//!     --use-auth-secret --static-auth-secret north --realm eyeline --allow-loopback-peers &
//! cargo run --release --package eyeline-server --example relay_load -- --secret north --rates 1000,5000,20000,40000 \
//!     eyeline=127.0.0.1:3478,$(pgrep relay_load) coturn=127.0.0.1:3479,$(pgrep turnserver)
//! ```
//!
//! One line per server and rate, and one for the same packets without a server between (`direct`).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails is to fail, and says what it found"
)]

#[path = "../tests/relay/messages.rs"]
#[allow(dead_code, reason = "a client that needs less than the tests do")]
mod messages;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use clap::Parser;
use eyeline_protocol::{IceConfig, MemberId};
use eyeline_server::relay::{ExternalRelay, IceSource, Relay, RelayConfig};

use messages::{Ask, Login, Said};

/// As large as packets of a call get.
const PAYLOAD_BYTES: usize = 1200;
const CHANNEL: u16 = 0x4001;
/// When nothing more is under way.
const DRAIN: Duration = Duration::from_millis(300);

#[derive(Debug, Parser)]
#[command(about = "Load for a TURN server")]
struct Args {
    /// Serve this relay here by UDP, without caps, and do nothing else
    #[arg(long, value_name = "ADDRESS")]
    serve: Option<SocketAddr>,
    /// The secret that credentials are made with
    #[arg(long)]
    secret: String,
    /// Packets per second in all, one after the other
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,20000")]
    rates: Vec<u32>,
    /// Pairs of clients that share them
    #[arg(long, default_value_t = 8)]
    pairs: u8,
    /// Seconds for each rate
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// NAME=ADDRESS[,PID]: servers to be measured; with a process id their processor time too
    servers: Vec<String>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    if let Some(address) = args.serve {
        return serve(address, args.secret);
    }
    println!("server rate_pps sent received lost_pct p50_us p99_us server_cpu_us_per_packet");
    for rate in &args.rates {
        measure("direct", None, None, *rate, &args);
        for server in &args.servers {
            let (name, rest) = server.split_once('=').unwrap();
            let (address, pid) = rest.split_once(',').map_or((rest, None), |(address, pid)| (address, Some(pid)));
            measure(name, Some(address.parse().unwrap()), pid, *rate, &args);
        }
    }
    Ok(())
}

#[tokio::main]
async fn serve(address: SocketAddr, secret: String) -> io::Result<()> {
    let config = RelayConfig {
        secret: Some(secret),
        allocation_bytes_per_s: u64::MAX,
        total_bytes_per_s: u64::MAX,
        ..RelayConfig::default()
    };
    Relay::new(config)?.serve_udp(tokio::net::UdpSocket::bind(address).await?).await
}

/// One end of a pair.
struct End {
    socket: UdpSocket,
    /// Where packets begin in what is received.
    header: usize,
}

impl End {
    fn send(&self, payload: &[u8]) -> bool {
        let sent = if self.header == 0 {
            self.socket.send(payload)
        } else {
            self.socket.send(&messages::channel_data(CHANNEL, payload, false))
        };
        sent.is_ok()
    }
}

/// A pair of clients: through the server with a channel at both ends, or straight.
fn pair(server: Option<SocketAddr>, secret: &str, nth: u8) -> [End; 2] {
    let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
    let (a, b) = (bind(), bind());
    let Some(server) = server else {
        a.connect(b.local_addr().unwrap()).unwrap();
        b.connect(a.local_addr().unwrap()).unwrap();
        return [a, b].map(|socket| End { socket, header: 0 });
    };
    let source = IceSource::External(ExternalRelay::new(Vec::new(), secret.to_owned()));
    let ends = [(a, 0), (b, 1)].map(|(socket, side)| {
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let ice = source.config(&[nth], &MemberId::from_random([2 * nth + side; 12]), None);
        allocate(socket, ice)
    });
    for (at, other) in [(0, 1), (1, 0)] {
        let (socket, login, _) = &ends[at];
        ask(socket, &Ask::Bind(CHANNEL, ends[other].2), Some(login)).success();
    }
    ends.map(|(socket, ..)| End { socket, header: 4 })
}

fn allocate(socket: UdpSocket, ice: IceConfig) -> (UdpSocket, Login, SocketAddr) {
    let Said::Refused { nonce: Some(nonce), .. } = ask(&socket, &Ask::Allocate, None) else { panic!("no nonce") };
    let login = Login { user: ice.user, password: ice.cred, nonce };
    let relayed = ask(&socket, &Ask::Allocate, Some(&login)).success().relayed.unwrap();
    (socket, login, relayed)
}

fn ask(socket: &UdpSocket, ask: &Ask, login: Option<&Login>) -> Said {
    socket.send(&messages::request(ask, login)).unwrap();
    let mut answer = [0; 2048];
    let len = socket.recv(&mut answer).unwrap();
    messages::read(&answer[..len])
}

fn measure(name: &str, server: Option<SocketAddr>, pid: Option<&str>, rate: u32, args: &Args) {
    let pairs: Vec<[End; 2]> = (0..args.pairs).map(|nth| pair(server, &args.secret, nth)).collect();
    let (begin, stop) = (Instant::now(), AtomicBool::new(false));
    let cpu_before = pid.map(cpu);
    let every = Duration::from_secs(1) * u32::from(args.pairs) / rate;
    let (sent, mut late_us) = thread::scope(|scope| {
        let receivers: Vec<_> = pairs.iter().map(|[_, to]| scope.spawn(|| receive(to, begin, &stop))).collect();
        let senders: Vec<_> =
            pairs.iter().map(|[from, _]| scope.spawn(|| send(from, begin, every, args.seconds))).collect();
        let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        thread::sleep(DRAIN);
        stop.store(true, Ordering::Relaxed);
        let late: Vec<u64> = receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect();
        (sent, late)
    });
    let cpu_us = pid.zip(cpu_before).map(|(pid, before)| cpu(pid) - before).unwrap_or_default().as_micros();
    late_us.sort_unstable();
    let received = late_us.len();
    let at = |share: usize| late_us.get((received * share / 100).min(received.saturating_sub(1))).copied().unwrap_or(0);
    let per_packet = cpu_us / u128::try_from(received.max(1)).unwrap();
    let lost = 100 * sent.saturating_sub(received) / sent.max(1);
    println!("{name} {rate} {sent} {received} {lost} {} {} {per_packet}", at(50), at(99));
}

/// Packets at their rate, each with the time at which it left.
fn send(from: &End, begin: Instant, every: Duration, seconds: u64) -> usize {
    let end = Duration::from_secs(seconds);
    let mut payload = vec![7; PAYLOAD_BYTES];
    let (mut due, mut sent) = (begin.elapsed(), 0);
    let last = due + end;
    while due < last {
        let now = begin.elapsed();
        if now < due {
            thread::sleep(due - now);
        }
        let left_us = u64::try_from(begin.elapsed().as_micros()).unwrap();
        payload[..8].copy_from_slice(&left_us.to_be_bytes());
        sent += usize::from(from.send(&payload));
        due += every;
    }
    sent
}

/// How late each packet came, in microseconds.
fn receive(to: &End, begin: Instant, stop: &AtomicBool) -> Vec<u64> {
    to.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut packet = [0; 2048];
    let mut late_us = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(len) = to.socket.recv(&mut packet) else { continue };
        let Some(left) = packet[..len].get(to.header..to.header + 8) else { continue };
        let now_us = u64::try_from(begin.elapsed().as_micros()).unwrap();
        late_us.push(now_us.saturating_sub(u64::from_be_bytes(left.try_into().unwrap())));
    }
    late_us
}

/// Processor time of a process so far (Linux).
fn cpu(pid: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}
