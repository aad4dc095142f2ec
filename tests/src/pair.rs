//! Two `eyeline-peer`s in a call.

use std::time::Duration;

use crate::peer::{Peer, PeerSetup, unix_us};
use crate::server::Server;
use crate::{Outcome, Scene};

/// How long a call may take to come about, and to come back.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Two peers that see each other.
pub struct Pair {
    /// Opened the call.
    pub a: Peer,
    /// Joined it.
    pub b: Peer,
}

impl Pair {
    /// Starts both and waits until each has seen a second of the other.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn connect(scene: &Scene, server: &Server, a: &PeerSetup, b: &PeerSetup) -> Outcome<Self> {
        Self::connect_by(scene, &server.url(), a, b)
    }

    /// The same with the address of a server, or of what stands before it.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn connect_by(scene: &Scene, server: &str, a: &PeerSetup, b: &PeerSetup) -> Outcome<Self> {
        let (mut a, link) = Peer::host(scene, "a", a, server)?;
        let mut b = Peer::join(scene, "b", b, &link)?;
        a.wait_pictures(30, CONNECT_LIMIT)?;
        b.wait_pictures(30, CONNECT_LIMIT)?;
        Ok(Self { a, b })
    }

    /// Waits until each was shown `more` pictures from now on.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn both_see(&mut self, more: usize) -> Outcome {
        self.a.wait_pictures(more, CONNECT_LIMIT)?;
        self.b.wait_pictures(more, CONNECT_LIMIT)
    }

    /// Waits until each hears the other from now on.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn both_hear(&mut self) -> Outcome {
        let now = unix_us();
        for peer in [&mut self.a, &mut self.b] {
            peer.wait_stats("the other side's sound", now, CONNECT_LIMIT, |line| line.levels.remote > 0.1)?;
        }
        Ok(())
    }
}
