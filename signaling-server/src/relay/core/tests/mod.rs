//! The relay against a virtual clock, as its clients see it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::client::{Client, ClientId};
use super::super::stats::RelayRefusal;
use super::{Core, Now};
use crate::relay::RelayConfig;

#[path = "../../../../tests/relay/messages.rs"]
mod messages;

mod caps;
mod closed;
mod junk;
mod lifetimes;
mod strangers;

use messages::{Ask, Login, Said, Success};

const ROOM: &[u8] = b"room";

struct Rig {
    core: Core,
    at: Instant,
    unix_s: u64,
}

/// A client with credentials.
#[derive(Clone)]
struct Member {
    client: Client,
    login: Login,
}

impl Rig {
    fn new() -> Self {
        Self::with(RelayConfig::default())
    }

    fn with(config: RelayConfig) -> Self {
        let at = Instant::now();
        Self { core: Core::new(at, config, [5; 32]), at, unix_s: 1_767_225_600 }
    }

    fn now(&self) -> Now {
        Now { at: self.at, unix_s: self.unix_s }
    }

    fn pass(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
        self.unix_s += seconds;
    }

    /// What is sent because of this, and to whom.
    fn hand(&mut self, client: Client, bytes: &[u8]) -> Option<(ClientId, Vec<u8>)> {
        let mut out = Vec::new();
        let now = self.now();
        let to = self.core.handle(now, &client, bytes, &mut out)?;
        Some((to, out))
    }

    /// The answer to a request; only the one who asked ever gets it.
    fn ask(&mut self, client: Client, ask: &Ask, login: Option<&Login>) -> Said {
        let (to, answer) = self.hand(client, &messages::request(ask, login)).expect("an answer");
        assert!(to == client.id);
        messages::read(&answer)
    }

    fn say(&mut self, member: &Member, ask: &Ask) -> Said {
        self.ask(member.client, ask, Some(&member.login))
    }

    /// Credentials, and the nonce that goes with them.
    fn member(&mut self, room: &[u8], name: &str, client: Client) -> Member {
        let now = self.now();
        let (user, password) = self.core.issue(now, room, name);
        let Said::Refused { nonce: Some(nonce), .. } = self.ask(client, &Ask::Allocate, None) else {
            panic!("no nonce")
        };
        Member { client, login: Login { user, password, nonce } }
    }

    /// A member with an allocation.
    fn allocated(&mut self, room: &[u8], name: &str, client: Client) -> (Member, SocketAddr) {
        let member = self.member(room, name, client);
        let success = self.say(&member, &Ask::Allocate).success();
        (member, success.relayed.expect("a relayed address"))
    }

    /// Two members of one room that have permitted each other.
    fn pair(&mut self) -> [(Member, SocketAddr); 2] {
        let a = self.allocated(ROOM, "a", udp(1));
        let b = self.allocated(ROOM, "b", udp(2));
        self.say(&a.0, &Ask::Permission(vec![b.1])).success();
        self.say(&b.0, &Ask::Permission(vec![a.1])).success();
        [a, b]
    }

    /// What a packet from one member to another's relayed address becomes.
    fn relay(&mut self, from: &Member, to: SocketAddr, data: &[u8]) -> Option<(ClientId, Said)> {
        let (to, bytes) = self.hand(from.client, &messages::send_indication(to, data))?;
        Some((to, messages::read(&bytes)))
    }
}

fn udp(nth: u8) -> Client {
    Client::datagram(0, ([203, 0, 113, nth], 4000).into())
}

fn tcp(nth: u8) -> Client {
    Client::stream(nth.into(), ([203, 0, 113, nth], 5000).into())
}
