//! Notices when the way to the outside may have changed: other addresses (another Wi-Fi, a cable, a VPN), or the machine slept.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use netwatcher::{Update, WatchHandle};
use tokio::sync::mpsc;

use crate::actor::Note;

/// Addresses come and go in bursts, one interface after the other: this long after the last change it is acted upon.
const SETTLE: Duration = Duration::from_millis(60);
/// How often the clocks are looked at, and the addresses where the system does not tell of changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Time that passed between two looks beyond this: the machine slept, or the process was stopped.
const SLEPT: Duration = Duration::from_secs(4);
/// Changes that wait to be looked at. Any one of them stands for all, so more are dropped.
const CHANGES: usize = 4;

/// Watches until dropped.
pub(crate) struct Network {
    task: tokio::task::JoinHandle<()>,
    _system: Option<WatchHandle>,
}

impl Network {
    /// Sends [`Note::NetworkChanged`] after each change.
    pub(crate) fn watch(notes: mpsc::Sender<Note>) -> Self {
        let (changed, changes) = mpsc::channel(CHANGES);
        // One that waits stands for all.
        let told = move |_: Update| changed.try_send(()).unwrap_or(());
        let system = netwatcher::watch_interfaces_with_callback(told)
            .inspect_err(|error| tracing::warn!(%error, "the system does not tell of network changes"))
            .ok();
        Self { task: tokio::spawn(follow(changes, notes)), _system: system }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(mut changes: mpsc::Receiver<()>, notes: mpsc::Sender<Note>) {
    let mut known = addresses();
    let mut awake = Awake::default();
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            Some(()) = changes.recv() => {
                while tokio::time::timeout(SETTLE, changes.recv()).await.is_ok_and(|change| change.is_some()) {}
            }
            _ = ticks.tick() => {}
        }
        let slept = awake.slept(SystemTime::now());
        let now = addresses();
        let moved = now.is_some() && now != known;
        if moved {
            known = now;
        }
        if moved || slept {
            tracing::info!(moved, slept, "network changed");
            if notes.send(Note::NetworkChanged).await.is_err() {
                return;
            }
        }
    }
}

/// Finds out by the wall clock whether the machine slept: the monotonic clock, and every timer with it, stands still then.
#[derive(Debug, Default)]
struct Awake {
    looked: Option<SystemTime>,
}

impl Awake {
    fn slept(&mut self, now: SystemTime) -> bool {
        let before = self.looked.replace(now);
        // A clock that was set back did not sleep.
        before.and_then(|before| now.duration_since(before).ok()).is_some_and(|passed| passed > SLEPT)
    }
}

/// All addresses but those of this machine to itself; `None` when they cannot be read.
pub(crate) fn addresses() -> Option<BTreeSet<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs().ok()?;
    Some(interfaces.into_iter().filter(|interface| !interface.is_loopback()).map(|interface| interface.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_is_a_sleep_and_a_busy_second_is_not() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut awake = Awake::default();
        assert!(!awake.slept(start));
        assert!(!awake.slept(start + Duration::from_secs(3)));
        assert!(awake.slept(start + Duration::from_secs(30_000)));
        assert!(!awake.slept(start + Duration::from_secs(30_001)));
        assert!(!awake.slept(start), "set back");
    }
}
