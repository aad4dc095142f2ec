//! No peer address makes the relay send anything anywhere: special ranges, other ways to write them, the host's own
//! addresses, cloud metadata. With root rights the server runs in a network of its own, where a tripwire counts every
//! packet that is not for its clients.

use std::net::{IpAddr, SocketAddr};

use eyeline_protocol::{IceConfig, RoomId};

use crate::client::Client;
use crate::messages::{self, Ask, Said};
use crate::signaling::{Member, Program};

/// IPv4 addresses, most of them of the IANA registry of special-purpose addresses (RFC 6890).
const V4: [&str; 36] = [
    "0.0.0.0:80",
    "0.1.2.3:80",
    "1.1.1.1:443",
    "8.8.8.8:53",
    "10.0.0.1:80",
    "10.255.255.254:6379",
    "100.64.0.1:80",
    "100.100.100.200:80", // metadata of Alibaba Cloud
    "127.0.0.1:22",
    "127.0.0.1:80",
    "127.0.0.2:80",
    "127.255.255.254:11211",
    "168.63.129.16:80", // of Azure
    "169.254.0.1:80",
    "169.254.169.253:53",
    "169.254.169.254:80", // of most others
    "169.254.170.2:80",   // of containers at AWS
    "172.16.0.1:80",
    "172.31.255.254:2375",
    "192.0.0.1:80",
    "192.0.0.192:80", // of Oracle Cloud
    "192.0.2.2:50000",
    "192.31.196.1:80",
    "192.52.193.1:80",
    "192.88.99.1:80",
    "192.168.0.1:80",
    "192.168.1.1:53",
    "192.175.48.1:80",
    "198.18.0.1:80",
    "198.51.100.1:80",
    "203.0.113.1:80",
    "224.0.0.1:80",
    "224.0.0.251:5353",
    "239.255.255.250:1900",
    "240.0.0.1:80",
    "255.255.255.255:67",
];

/// IPv6 addresses, and IPv4 ones written as such.
const V6: [&str; 38] = [
    "[::]:80",
    "[::1]:80",
    "[::1]:22",
    "[::ffff:0.0.0.0]:80",
    "[::ffff:10.0.0.1]:80",
    "[::ffff:127.0.0.1]:80",
    "[::ffff:169.254.169.254]:80",
    "[::ffff:192.0.2.1]:3478",
    "[::ffff:0:127.0.0.1]:80", // RFC 2765
    "[::10.0.0.1]:80",         // IPv4-compatible
    "[::127.0.0.1]:80",
    "[64:ff9b::a00:1]:80", // NAT64
    "[64:ff9b::7f00:1]:80",
    "[64:ff9b::a9fe:a9fe]:80",
    "[64:ff9b:1::a00:1]:80",
    "[100::1]:80",
    "[2001:0:7f00:1::]:80",            // Teredo
    "[2001::53aa:64c:0:80ff:fffe]:80", // of 127.0.0.1
    "[2001:10::1]:80",
    "[2001:20::1]:80",
    "[2001:db8::2]:50000",
    "[2001:4860:4860::8888]:53",
    "[2002:7f00:1::]:80", // 6to4
    "[2002:a00:1::]:80",
    "[2002:a9fe:a9fe::]:80",
    "[3fff::1]:80",
    "[5f00::1]:80",
    "[fc00::1]:80",
    "[fd00::1]:80",
    "[fd00:ec2::254]:80", // metadata of AWS
    "[fd20:ce::254]:80",  // of Google Cloud
    "[fe80::1]:80",
    "[fe80::5efe:7f00:1]:80", // ISATAP
    "[fe80::a9fe:a9fe]:80",
    "[fec0::1]:80",
    "[ff02::1]:80",
    "[ff02::fb]:5353",
    "[ff0e::1]:80",
];

/// XOR-PEER-ADDRESS that is none: no family, an unknown one, and lengths that do not go with it.
const BROKEN: [&[u8]; 7] = [
    &[],
    &[0, 1, 0, 80],
    &[0, 0, 0, 80, 127, 0, 0, 1],
    &[0, 3, 0, 80, 127, 0, 0, 1],
    &[0, 1, 0, 80, 127, 0, 0],
    &[0, 2, 0, 80, 127, 0, 0, 1],
    &[0, 1, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
];

const IPV6: [(u16, &[u8]); 2] = [(0x0019, &[17, 0, 0, 0]), (0x0017, &[2, 0, 0, 0])];

/// Two members of a room, and a third of another.
struct Scene {
    server: SocketAddr,
    ours: IceConfig,
    friends: IceConfig,
    strangers: IceConfig,
    _members: [Member; 3],
}

impl Scene {
    async fn new(server: SocketAddr) -> Self {
        let url = format!("ws://{server}/ws");
        let (a, ours) = Member::join(&url, RoomId([1; 16])).await;
        let (b, friends) = Member::join(&url, RoomId([1; 16])).await;
        let (c, strangers) = Member::join(&url, RoomId([2; 16])).await;
        Self { server, ours, friends, strangers, _members: [a, b, c] }
    }

    async fn client(&self, ice: &IceConfig, v6: bool) -> (Client, SocketAddr) {
        let mut client = Client::from_address(self.server).await;
        client.log_in_with(ice.user.clone(), ice.cred.clone()).await;
        let fields = IPV6.map(|(kind, value)| (kind, value.to_vec())).to_vec();
        let ask = if v6 { Ask::AllocateWith(fields) } else { Ask::Allocate };
        let relayed = client.ask(&ask).await.success().relayed.unwrap();
        (client, relayed)
    }

    /// Every address of the table, and those that only a running server has.
    fn table(&self, relayed: SocketAddr, stranger: SocketAddr, own: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut table: Vec<SocketAddr> = V4.iter().chain(&V6).map(|text| text.parse().unwrap()).collect();
        let free = if relayed.port() == 50_000 || stranger.port() == 50_000 { 50_002 } else { 50_000 };
        let turn = self.server.port();
        // The relay's own name with ports that are nobody's.
        table.extend([free, 0, 1, turn].map(|port| SocketAddr::new(relayed.ip(), port)));
        // Where the server itself is.
        table.extend([turn, 22, 80, 49_152].map(|port| SocketAddr::new(self.server.ip(), port)));
        if let IpAddr::V4(v4) = self.server.ip() {
            table.push(SocketAddr::new(v4.to_ipv6_mapped().into(), turn));
        }
        // A live allocation, but of another room; a live one, but its name written otherwise.
        table.push(stranger);
        if let IpAddr::V4(v4) = relayed.ip() {
            table.push(SocketAddr::new(v4.to_ipv6_mapped().into(), relayed.port()));
        }
        table.extend(own);
        table
    }
}

/// Tries every address of the table in every way; returns how many.
async fn refuse_all(scene: &Scene, v6: bool) -> usize {
    let (mut friend, friend_address) = scene.client(&scene.friends, v6).await;
    let (_stranger, stranger_address) = scene.client(&scene.strangers, v6).await;
    let (mut permitting, address) = scene.client(&scene.ours, v6).await;
    let (mut binding, binding_address) = scene.client(&scene.ours, v6).await;
    friend.ask(&Ask::Permission(vec![address])).await.success();
    // What a permission would let through is tried with one.
    permitting.ask(&Ask::Permission(vec![friend_address])).await.success();
    binding.ask(&Ask::Bind(0x4001, friend_address)).await.success();
    let table = scene.table(address, stranger_address, &[friend.local_address(), permitting.local_address()]);
    for (nth, peer) in (0..).zip(&table) {
        assert_eq!(permitting.ask(&Ask::Permission(vec![*peer])).await.code(), 403, "{peer}");
        assert_eq!(binding.ask(&Ask::Bind(0x4100 + nth, *peer)).await.code(), 403, "{peer}");
        permitting.send(&messages::send_indication(*peer, b"tripwire")).await;
        binding.send_on_channel(0x4100 + nth, b"tripwire").await;
    }
    for (good_first, peer) in [(true, &table[8]), (false, &table[15])] {
        let both = if good_first { vec![friend_address, *peer] } else { vec![*peer, friend_address] };
        assert_eq!(permitting.ask(&Ask::Permission(both)).await.code(), 403, "one of two");
    }
    for value in BROKEN {
        assert_eq!(permitting.ask(&Ask::RawPermission(value.to_vec())).await.code(), 400, "{value:?}");
    }
    // All of the above has been handled once these have arrived, and was not relayed to the friend either.
    permitting.send(&messages::send_indication(friend_address, b"last")).await;
    binding.send_on_channel(0x4001, b"last").await;
    let mut senders = Vec::new();
    for _ in 0..2 {
        let Said::Indication { from, data } = friend.read().await else { panic!("no data") };
        assert_eq!(data, b"last");
        senders.push(from);
    }
    assert!(senders.contains(&address) && senders.contains(&binding_address));
    table.len()
}

async fn try_everything(server: SocketAddr) {
    let scene = Scene::new(server).await;
    let (with_v4, with_v6) = (refuse_all(&scene, false).await, refuse_all(&scene, true).await);
    println!("{with_v4} addresses against an IPv4 allocation, {with_v6} against an IPv6 one");
    assert!(with_v4 >= 60 && with_v6 >= 60);
}

#[tokio::test]
async fn ssrf_every_special_address_is_refused() {
    let program = Program::start(&[]);
    try_everything(SocketAddr::new([127, 0, 0, 1].into(), program.port)).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn ssrf_nothing_passes_a_tripwire() {
    let Some(net) = crate::tripwire::Net::new() else { return };
    let program = Program::spawn(&mut net.server());
    try_everything(SocketAddr::new(net.server_ip.into(), program.port)).await;
    assert_eq!(net.tripped(), 0, "packets that were not for the clients");
    // The tripwire does catch what it is there for.
    net.provoke();
    assert_eq!(net.tripped(), crate::tripwire::PROVOKED);
}
