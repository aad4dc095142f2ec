//! A call between two machines of a network: does it come about, by which path, and how soon?

use std::time::Duration;

use crate::lan::Host;
use crate::peer::{Peer, PeerSetup};
use crate::{Outcome, Scene, ensure};

/// How long both may take until they see each other.
const LIMIT: Duration = Duration::from_secs(40);
/// Pictures that each sees before the call counts as one: a second of them.
const PICTURES: usize = 30;

/// A call that is to be tried.
pub struct Crossing<'a> {
    /// Name of its logs.
    pub name: String,
    /// Where to begin it.
    pub server: String,
    /// Who begins, and who joins.
    pub machines: [&'a Host; 2],
    /// Environment of both.
    pub environment: Vec<(String, String)>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Crossed {
    /// The path as each side names it.
    pub paths: [String; 2],
    /// From the request for the call to the first picture at each side, milliseconds.
    pub first_picture_ms: [f64; 2],
}

impl Crossing<'_> {
    /// Makes the call, waits until both see each other for a second, and ends it.
    ///
    /// # Errors
    /// When it does not come about, or its path changes.
    pub fn run(&self, scene: &Scene) -> Outcome<Crossed> {
        let setup = |host: &Host| PeerSetup {
            environment: self.environment.clone(),
            more: vec!["--quality".into(), "low".into()],
            ..PeerSetup::on(host)
        };
        let [a, b] = self.machines.map(setup);
        let (a, link) = Peer::host(scene, &format!("{}-a", self.name), &a, &self.server)?;
        let b = Peer::join(scene, &format!("{}-b", self.name), &b, &link)?;
        let mut crossed = Crossed { paths: Default::default(), first_picture_ms: [0.0; 2] };
        let mut peers = [a, b];
        for (side, peer) in peers.iter_mut().enumerate() {
            let line = peer.wait_stats("a path and a picture", 0, LIMIT, |line| {
                line.path.is_some() && line.stats.first_picture_ms.is_some()
            })?;
            crossed.paths[side] = line.path.unwrap_or_default();
            crossed.first_picture_ms[side] = line.stats.first_picture_ms.unwrap_or_default();
            peer.wait_pictures(PICTURES, LIMIT)?;
        }
        for (peer, path) in peers.iter().zip(&crossed.paths) {
            let last = peer.stats()?.last().and_then(|line| line.path.clone());
            ensure!(last.as_ref() == Some(path), "the path was {path} and became {last:?}");
        }
        Ok(crossed)
    }
}

impl Crossed {
    /// Columns of a table with [`Crossed::row`].
    pub const COLUMNS: [&str; 4] = ["path of a", "of b", "first picture at a, ms", "at b, ms"];

    /// Its values in a table.
    pub fn row(&self) -> Vec<String> {
        let times = self.first_picture_ms.iter().map(|ms| format!("{ms:.0}"));
        self.paths.iter().cloned().chain(times).collect()
    }
}
