//! Notices when the machine's addresses change: another Wi-Fi, a cable, a VPN.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::actor::Note;

/// How often the addresses are read: one system call, and a path that died is noticed by ICE anyway.
const INTERVAL: Duration = Duration::from_secs(2);

/// Watches until dropped.
pub(crate) struct Addresses(tokio::task::JoinHandle<()>);

impl Addresses {
    /// Sends [`Note::NetworkChanged`] after each change.
    pub(crate) fn watch(notes: mpsc::Sender<Note>) -> Self {
        Self(tokio::spawn(async move {
            let mut known = read();
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                let now = read();
                if now.is_some() && now != known {
                    tracing::info!("network changed");
                    known = now;
                    if notes.send(Note::NetworkChanged).await.is_err() {
                        return;
                    }
                }
            }
        }))
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All addresses but those of this machine to itself; `None` when they cannot be read.
fn read() -> Option<BTreeSet<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs().ok()?;
    Some(interfaces.into_iter().filter(|interface| !interface.is_loopback()).map(|interface| interface.ip()).collect())
}
