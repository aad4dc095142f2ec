//! A relay (TURN, RFC 8656) on a machine of a test network, as far as a call needs it: UDP, and anybody may use it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Outcome;
use crate::lan::Host;

/// RFC 8489, section 5.
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER_BYTES: usize = 20;
const DATAGRAM_BYTES_MAX: usize = 1 << 16;
/// Between two looks whether the relay is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

// Message types: method and class (RFC 8656, section 17).
const ALLOCATE: u16 = 0x0003;
const SEND: u16 = 0x0016;
const DATA: u16 = 0x0017;
const CHANNEL_BIND: u16 = 0x0009;
const SUCCESS: u16 = 0x0100;
const REFUSED: u16 = 0x0110;

// Attributes (RFC 8656, section 18; RFC 8489, section 18.3).
const USERNAME: u16 = 0x0006;
const ERROR_CODE: u16 = 0x0009;
const CHANNEL_NUMBER: u16 = 0x000c;
const LIFETIME: u16 = 0x000d;
const PEER_ADDRESS: u16 = 0x0012;
const PAYLOAD: u16 = 0x0013;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const RELAYED_ADDRESS: u16 = 0x0016;
const MAPPED_ADDRESS: u16 = 0x0020;

/// A running relay.
pub struct Turn {
    /// Where it is.
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Turn {
    /// Starts a relay at an address of `host`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(host: &Host, own: Ipv4Addr) -> Outcome<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (address, thread) = host.within(|| -> std::io::Result<_> {
            let socket = Arc::new(open(own)?);
            let address = socket.local_addr()?;
            let mut relay = Relay { own, socket, over: over.clone(), allocations: BTreeMap::new() };
            // What a thread of the namespace starts is in it too.
            Ok((address, thread::spawn(move || relay.run())))
        })??;
        Ok(Self { address, over, thread: Some(thread) })
    }
}

impl Turn {
    /// How clients are told of it.
    pub fn url(&self) -> String {
        format!("turn:{}?transport=udp", self.address)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn open(own: Ipv4Addr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((own, 0))?;
    socket.set_read_timeout(Some(LOOK_EVERY))?;
    Ok(socket)
}

struct Relay {
    own: Ipv4Addr,
    socket: Arc<UdpSocket>,
    over: Arc<AtomicBool>,
    /// By the client's address.
    allocations: BTreeMap<SocketAddr, Allocation>,
}

struct Allocation {
    socket: Arc<UdpSocket>,
    channels: BTreeMap<u16, SocketAddrV4>,
}

impl Relay {
    fn run(&mut self) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !self.over.load(Ordering::Relaxed) {
            let Ok((read, client)) = self.socket.recv_from(&mut buffer) else { continue };
            // What is not understood gets no answer, as from any relay.
            let _ = self.take(&buffer[..read], client);
        }
    }

    fn take(&mut self, datagram: &[u8], client: SocketAddr) -> Option<()> {
        let kind = u16::from_be_bytes(datagram.get(..2)?.try_into().ok()?);
        if (0x4000..0x8000).contains(&kind) {
            let allocation = self.allocations.get(&client)?;
            let length = usize::from(u16::from_be_bytes(datagram.get(2..4)?.try_into().ok()?));
            allocation.socket.send_to(datagram.get(4..4 + length)?, allocation.channels.get(&kind)?).ok()?;
            return Some(());
        }
        let request = Request::parse(kind, datagram)?;
        match request.kind {
            ALLOCATE if request.attribute(USERNAME).is_none() => {
                // 401: clients only say who they are when asked.
                let mut answer = request.answer(REFUSED);
                answer.attribute(ERROR_CODE, b"\0\0\x04\x01who");
                answer.attribute(REALM, b"test");
                answer.attribute(NONCE, b"once");
                self.send(answer, client);
            }
            ALLOCATE => {
                let relayed = self.allocate(client)?;
                let mut answer = request.answer(SUCCESS);
                answer.attribute(RELAYED_ADDRESS, &crossed(relayed));
                let SocketAddr::V4(mapped) = client else { return None };
                answer.attribute(MAPPED_ADDRESS, &crossed(mapped));
                answer.attribute(LIFETIME, &600_u32.to_be_bytes());
                self.send(answer, client);
            }
            SEND => {
                let to = uncrossed(request.attribute(PEER_ADDRESS)?)?;
                self.allocations.get(&client)?.socket.send_to(request.attribute(PAYLOAD)?, to).ok()?;
            }
            other if other & 0x0110 == 0 => {
                if other == CHANNEL_BIND {
                    let number = request.attribute(CHANNEL_NUMBER)?.get(..2)?.try_into().ok()?;
                    let to = uncrossed(request.attribute(PEER_ADDRESS)?)?;
                    self.allocations.get_mut(&client)?.channels.insert(u16::from_be_bytes(number), to);
                }
                let mut answer = request.answer(SUCCESS);
                answer.attribute(LIFETIME, &600_u32.to_be_bytes());
                self.send(answer, client);
            }
            _ => {}
        }
        Some(())
    }

    fn send(&self, answer: Answer, client: SocketAddr) {
        self.socket.send_to(&answer.finish(), client).ok();
    }

    /// The relayed address of a client; what comes to it goes to the client from now on.
    fn allocate(&mut self, client: SocketAddr) -> Option<SocketAddrV4> {
        let socket = match self.allocations.get(&client) {
            Some(allocation) => allocation.socket.clone(),
            None => Arc::new(open(self.own).ok()?),
        };
        let SocketAddr::V4(relayed) = socket.local_addr().ok()? else { return None };
        let allocation = Allocation { socket: socket.clone(), channels: BTreeMap::new() };
        if self.allocations.insert(client, allocation).is_none() {
            let (main, over) = (self.socket.clone(), self.over.clone());
            thread::spawn(move || carry_back(&socket, &main, client, &over));
        }
        Some(relayed)
    }
}

/// Data indications are always allowed, also where a channel is bound (RFC 8656, section 11.3 is a SHOULD).
fn carry_back(relayed: &UdpSocket, main: &UdpSocket, client: SocketAddr, over: &AtomicBool) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut nth: u64 = 0;
    while !over.load(Ordering::Relaxed) {
        let Ok((read, SocketAddr::V4(from))) = relayed.recv_from(&mut buffer) else { continue };
        nth += 1;
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&nth.to_be_bytes());
        let mut indication = Answer::new(DATA, &transaction);
        indication.attribute(PEER_ADDRESS, &crossed(from));
        indication.attribute(PAYLOAD, &buffer[..read]);
        main.send_to(&indication.finish(), client).ok();
    }
}

struct Request<'a> {
    kind: u16,
    transaction: &'a [u8],
    attributes: &'a [u8],
}

impl<'a> Request<'a> {
    fn parse(kind: u16, datagram: &'a [u8]) -> Option<Self> {
        let is_stun = datagram.len() >= HEADER_BYTES && datagram[4..8] == MAGIC;
        is_stun.then(|| Self { kind, transaction: &datagram[8..HEADER_BYTES], attributes: &datagram[HEADER_BYTES..] })
    }

    fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.attributes;
        loop {
            let [a, b, c, d, tail @ ..] = rest else { return None };
            let (kind, length) = (u16::from_be_bytes([*a, *b]), usize::from(u16::from_be_bytes([*c, *d])));
            if kind == wanted {
                return tail.get(..length);
            }
            rest = tail.get(length.next_multiple_of(4)..)?;
        }
    }

    fn answer(&self, class: u16) -> Answer {
        Answer::new(self.kind | class, self.transaction)
    }
}

struct Answer(Vec<u8>);

impl Answer {
    fn new(kind: u16, transaction: &[u8]) -> Self {
        Self([&kind.to_be_bytes()[..], &[0, 0], &MAGIC, transaction].concat())
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).expect("a datagram is shorter");
        self.0.extend(kind.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u16::try_from(self.0.len() - HEADER_BYTES).expect("a datagram is shorter");
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// An address as XOR attributes have it (RFC 8489, section 14.2).
fn crossed(address: SocketAddrV4) -> [u8; 8] {
    let (port, ip) = (address.port().to_be_bytes(), address.ip().octets());
    let [m0, m1, m2, m3] = MAGIC;
    [0, 1, port[0] ^ m0, port[1] ^ m1, ip[0] ^ m0, ip[1] ^ m1, ip[2] ^ m2, ip[3] ^ m3]
}

fn uncrossed(value: &[u8]) -> Option<SocketAddrV4> {
    let [_, 1, a, b, c, d, e, f] = *value else { return None };
    let [m0, m1, m2, m3] = MAGIC;
    let ip = Ipv4Addr::new(c ^ m0, d ^ m1, e ^ m2, f ^ m3);
    Some(SocketAddrV4::new(ip, u16::from_be_bytes([a ^ m0, b ^ m1])))
}
