//! One address that asks for more than its share: it gets its share, the server's memory stays bounded, and whoever else comes
//! is served. Times are printed, not asserted. Attackers and honest people come from different addresses of loopback, so
//! that the limits per address hold for each of them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, RoomId};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::authority::Authority;
use crate::client::{Trust, get, get_plain, patiently, to_end};
use crate::mux::{BINDING, old_hello};
use crate::program::{Program, eventually};
use crate::raw::{CONTINUATION, FIN, HANDSHAKE, Heard, PING, Raw, TEXT, connect_from, frame};
use crate::tls::{Doors, start};

const ATTACKER: [u8; 4] = [127, 66, 6, 6];
/// How many honest people come, one after the other.
const HONEST: u8 = 100;
/// How many connections an attacker has open, or is opening, at a time.
const AT_A_TIME: usize = 100;
/// What one address can make a server hold, over what it had: 64 connections with the largest message in pieces, an answer
/// under way and TLS, and what the allocator does not give back.
const GROWTH_KIB_MAX: u32 = 24 * 1024;

/// A server whose limits hold on loopback too, with its addresses for calls and for figures.
async fn limited() -> (Program, SocketAddr, SocketAddr) {
    let mut server = Program::start(["--listen", "127.0.0.1:0", "--limit-loopback", "--metrics", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let figures = server.address("figures for Prometheus at http://").await;
    (server, address, figures)
}

/// Honest people, each from an address of its own: everybody gets into a room.
async fn honest_joins(address: SocketAddr, street: u8, when: &str) {
    let mut took_us = Vec::new();
    for house in 1..=HONEST {
        let begin = Instant::now();
        let stream = connect_from([127, 1, street, house], address).await.unwrap();
        let joined = Raw::join(stream, 1_000 + u32::from(house)).await;
        assert!(joined.is_some(), "{when}: number {house} was not let in");
        took_us.push(begin.elapsed().as_micros());
    }
    took_us.sort_unstable();
    let at = |percent: usize| took_us[(took_us.len() * percent / 100).min(took_us.len() - 1)];
    println!("{when}: {} joins, p50 {} us, p99 {} us", took_us.len(), at(50), at(99));
}

/// The server holds little more than before.
fn grew_little(server: &Program, before: u32) {
    let growth = server.resident_kib().saturating_sub(before);
    println!("memory: {before} KiB and {growth} KiB more");
    assert!(growth <= GROWTH_KIB_MAX, "{growth} KiB");
}

/// What an attack and those who come meanwhile tell each other.
#[derive(Default)]
struct Siege {
    /// The server has felt it: now honest people come.
    under_way: Notify,
    over: AtomicBool,
}

impl Siege {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Says that it is under way, and waits for its end.
    async fn last(&self) {
        self.under_way.notify_one();
        while !self.is_over() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Joins before, under and after an attack, which goes on until it is told that it is over; memory is measured around it.
async fn joins_beside(server: &Program, address: SocketAddr, attack: impl AsyncFn(&Siege)) {
    honest_joins(address, 1, "idle").await;
    let (before, siege) = (server.resident_kib(), Siege::default());
    let honest = async {
        patiently(siege.under_way.notified()).await;
        honest_joins(address, 2, "meanwhile").await;
        siege.over.store(true, Ordering::Relaxed);
    };
    tokio::join!(honest, attack(&siege));
    grew_little(server, before);
    honest_joins(address, 3, "afterwards").await;
}

/// Runs so many of these at a time, again and again, until it is over; it is under way once somebody was refused for this
/// reason.
async fn again_and_again<F>(siege: &Siege, figures: SocketAddr, reason: &str, one: impl Fn(u32) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let running = async {
        let mut running = JoinSet::new();
        let mut nth = 0;
        while !siege.is_over() {
            while running.len() < AT_A_TIME {
                running.spawn(one(nth));
                nth += 1;
            }
            running.join_next().await.unwrap().unwrap();
        }
    };
    let watching = async {
        eventually("a refusal", async || is_refused(figures, reason).await.then_some(())).await;
        siege.last().await;
    };
    tokio::join!(running, watching);
}

/// Whether the server has refused anything for this reason.
async fn is_refused(figures: SocketAddr, reason: &str) -> bool {
    get_plain(figures, "/metrics").await.contains(&format!("eyeline_rejects_total{{reason=\"{reason}\"}}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_connections_and_joins_from_one_address() {
    static LET_IN: AtomicU32 = AtomicU32::new(0);
    static REFUSED: AtomicU32 = AtomicU32::new(0);
    static CLOSED: AtomicU32 = AtomicU32::new(0);
    let (server, address, figures) = limited().await;
    let begin = Instant::now();
    joins_beside(&server, address, async |siege| {
        again_and_again(siege, figures, "address", |nth| async move {
            let Ok(stream) = connect_from(ATTACKER, address).await else { return };
            match Raw::open(stream).await {
                Some((101, mut client)) => {
                    LET_IN.fetch_add(1, Ordering::Relaxed);
                    for message in [
                        ClientMessage::Hello { v: 1, resume: None },
                        ClientMessage::Join { room_id: RoomId([u8::try_from(nth % 256).unwrap(); 16]) },
                    ] {
                        client.say(&message).await.ok();
                    }
                    client.hear().await;
                }
                Some((429, _)) => {
                    REFUSED.fetch_add(1, Ordering::Relaxed);
                }
                Some((status, _)) => panic!("{status}"),
                // More than may be opened at a time.
                None => {
                    CLOSED.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .await;
    })
    .await;
    let [let_in, refused, closed] = [&LET_IN, &REFUSED, &CLOSED].map(|count| count.load(Ordering::Relaxed));
    println!("one address: {let_in} let in, {refused} refused, {closed} closed at once");
    // 20 at once, then one every 3 s.
    let share = 21 + begin.elapsed().as_secs() / 3;
    assert!(let_in >= 1 && u64::from(let_in) <= share, "{let_in} of {share}");
    assert!(refused >= 1);
}

/// Pings, joins and acks as fast as they can be written, answers unread, on as many sockets as one address gets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_frames() {
    let (server, address, _) = limited().await;
    let join = eyeline_protocol::wire::encode(&ClientMessage::Join { room_id: RoomId([5; 16]) });
    let kinds: Vec<Vec<u8>> = [
        frame(FIN | PING, &[7; 125]),
        frame(FIN | TEXT, join.as_bytes()),
        frame(FIN | TEXT, b"{"),
        frame(CONTINUATION, b""),
    ]
    .map(|one| one.repeat(200))
    .into();
    joins_beside(&server, address, async |siege| {
        let mut flooding = JoinSet::new();
        for nth in 0..12 {
            let bytes = kinds[nth % kinds.len()].clone();
            let stream = connect_from(ATTACKER, address).await.unwrap();
            let mut client = Raw::join(stream, 5).await.expect("within its share");
            client.send(&frame(TEXT, b"{")).await.ok();
            if bytes[0] & FIN != 0 && bytes[0] & 0x0f == TEXT {
                client.send(&frame(FIN | CONTINUATION, b"")).await.ok();
            }
            // Until the server has had enough, or does not read on.
            flooding.spawn(async move { while client.send(&bytes).await.is_ok() {} });
        }
        siege.last().await;
        flooding.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn flood_of_pings_is_slowed_down_and_said_so() {
    let (_server, address, _) = limited().await;
    let mut client = Raw::join(TcpStream::connect(address).await.unwrap(), 1).await.unwrap();
    client.send(&frame(FIN | PING, b"?").repeat(1_000)).await.unwrap();
    loop {
        match client.hear().await {
            Heard::Pong(_) => {}
            Heard::Text(error) => return assert!(error.contains("\"rate_limited\""), "{error}"),
            end => panic!("{end:?}"),
        }
    }
}

/// Pieces that never become a message are read at a pace as well: of so many the server leaves most with the sender.
#[tokio::test]
async fn flood_of_empty_fragments_is_not_read_at_will() {
    const MORE_THAN_BUFFERS_HOLD: usize = 32 * 1024 * 1024;
    let (_server, address, _) = limited().await;
    let mut client = Raw::join(TcpStream::connect(address).await.unwrap(), 1).await.unwrap();
    client.send(&frame(TEXT, b"{")).await.unwrap();
    let pieces = frame(CONTINUATION, b"").repeat(10_000);
    let mut taken = 0;
    let all = async {
        while taken < MORE_THAN_BUFFERS_HOLD && client.send(&pieces).await.is_ok() {
            taken += pieces.len();
        }
    };
    // A machine so slow that it takes less in this time would pass without the pace: never the other way round.
    timeout(Duration::from_secs(10), all).await.ok();
    println!("{} KiB were taken", taken / 1024);
    assert!(taken < MORE_THAN_BUFFERS_HOLD, "all of it was read");
}

/// Messages in pieces that are held as long as may be, from as many sockets as one address gets.
#[tokio::test]
async fn flood_of_half_messages_is_bounded() {
    let (server, address, _) = limited().await;
    let half = frame(TEXT, &[b'a'; 60 * 1024]);
    let mut held = Vec::new();
    let before = server.resident_kib();
    for nth in 0..19 {
        let mut client = Raw::join(connect_from(ATTACKER, address).await.unwrap(), nth).await.unwrap();
        client.send(&half).await.unwrap();
        // Answered after the half was read.
        client.send(&frame(FIN | PING, b"")).await.unwrap();
        assert_eq!(client.hear().await, Heard::Pong(Vec::new()));
        held.push(client);
    }
    let each = server.resident_kib().saturating_sub(before) / 19;
    println!("{each} KiB for each");
    assert!(each <= 256, "{each} KiB for a message of 64");
    honest_joins(address, 1, "meanwhile").await;
}

/// Heads, bodies and handshakes that trickle in hold the places of one address, for seconds, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_slow_requests() {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let (server, address, figures) = limited().await;
    let beginnings: [&[u8]; 4] =
        [HANDSHAKE.as_bytes(), b"POST /j HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n", b"G", &BINDING[..7]];
    joins_beside(&server, address, async |siege| {
        let slow = |nth: u32| {
            let beginning = beginnings[usize::try_from(nth).unwrap() % beginnings.len()].to_vec();
            async move {
                let Ok(mut stream) = connect_from(ATTACKER, address).await else { return };
                STARTED.fetch_add(1, Ordering::Relaxed);
                stream.write_all(&beginning).await.ok();
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        again_and_again(siege, figures, "opening", slow).await;
    })
    .await;
    println!("{} slow connections", STARTED.load(Ordering::Relaxed));
}

/// One who asks for page after page and takes none.
#[tokio::test]
async fn flood_of_requests_of_a_slow_reader() {
    let (server, address, _) = limited().await;
    joins_beside(&server, address, async |siege| {
        let mut asking = JoinSet::new();
        for _ in 0..30 {
            let mut stream = connect_from(ATTACKER, address).await.unwrap();
            asking.spawn(async move {
                while stream.write_all(&b"GET /j HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100)).await.is_ok() {}
            });
        }
        siege.last().await;
        // The server gives each up in the end, read or not.
        while asking.join_next().await.is_some() {}
    })
    .await;
}

/// Connections to the relay count for their address until they have an allocation.
#[tokio::test]
async fn flood_of_connections_to_the_relay() {
    let (_server, address, figures) = limited().await;
    let mut held = Vec::new();
    eventually("a refusal", async || {
        for _ in 0..50 {
            let mut stream = connect_from(ATTACKER, address).await.ok()?;
            stream.write_all(&BINDING).await.ok();
            held.push(stream);
        }
        assert!(!is_refused(figures, "relay_streams").await, "one address takes what there is for all");
        is_refused(figures, "opening").await.then_some(())
    })
    .await;
    let mut honest = connect_from([127, 1, 1, 1], address).await.unwrap();
    honest.write_all(&BINDING).await.unwrap();
    let mut first = [0; 2];
    patiently(honest.read_exact(&mut first)).await.unwrap();
    assert_eq!(first, [1, 1], "a binding success");
}

/// Bytes that mean nothing, the same in every run.
fn junk(len: usize, mut state: u32) -> Vec<u8> {
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[tokio::test]
async fn flood_of_junk_on_every_port() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let Doors { https, http, stun, stuns } = Doors::of(&mut server).await;
    let page = async || get(Trust::new(authority.roots()).connect(https).await.unwrap(), "/healthz").await;
    assert!(page().await.ends_with("ok\n"));
    let before = server.resident_kib();
    // What the server takes for the beginning of something, and nothing that is.
    let beginnings: [&[u8]; 6] =
        [b"", b"\x16\x03\x01\x40\x00", b"GET ", b"\x00\x01\x0f\xf0\x21\x12\xa4\x42", b"\x40\x00\xff\xff", b"\x16\x03"];
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for nth in 0..20 {
        for beginning in beginnings {
            let bytes = [beginning, &junk(20_000, nth)].concat();
            for address in [https, http, stun, stuns] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                // The server may close while this is being written.
                stream.write_all(&bytes).await.ok();
            }
            for address in [https, stun] {
                udp.send_to(&bytes[..1_200], address).await.unwrap();
            }
        }
        let mut inside = Trust::new(authority.roots()).connect(https).await.unwrap();
        inside.write_all(&junk(20_000, nth)).await.ok();
    }
    // Below TLS 1.2, on every port that speaks TLS: an alert, and the end.
    for address in [https, stuns] {
        for minor in [0, 1, 2] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&old_hello(minor)).await.unwrap();
            let said = to_end(stream).await;
            assert!(matches!(said[..], [21, _, _, 0, 2, 2, _]), "{said:x?}");
        }
    }
    assert!(page().await.ends_with("ok\n"));
    grew_little(&server, before);
}
