//! The task of an outlet: looks up the relay, opens streams, and notices what becomes of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use super::outlet::Shared;
use super::{HEAD_START, Transport, stream};

/// Pauses after all streams failed; each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));
/// How long what is queued at the end, the release of what the relay holds for us, may take to leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// Runs until the outlet is closed, or UDP carries everything.
pub(super) async fn run(shared: Arc<Shared>) {
    let addresses = look_up(&shared).await;
    let mut pause = PAUSES.0;
    loop {
        tokio::select! {
            () = shared.asked.notified() => {}
            () = closed(&shared) => return,
        }
        begin_udp(&shared, &addresses);
        let broken = race(&shared, Streams::start(&shared, &addresses)).await;
        let udp_alone = shared.ways.iter().all(|open| open.way.transport == Transport::Udp);
        if shared.is_closed() || shared.is_settled_on_udp() || udp_alone {
            return;
        }
        pause = if broken.is_some() { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
        if let Some(stream) = broken {
            shared.unsettle(stream);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = closed(&shared) => return,
        }
    }
}

/// The streams to a relay while it is looked for, and the one of them that is used.
struct Streams {
    tasks: JoinSet<usize>,
    handles: Vec<(usize, AbortHandle)>,
}

impl Streams {
    fn start(shared: &Arc<Shared>, addresses: &[IpAddr]) -> Self {
        let (mut tasks, mut handles) = (JoinSet::new(), Vec::new());
        for (way, open) in shared.ways.iter().enumerate().filter(|(_, open)| open.way.transport != Transport::Udp) {
            let delay = HEAD_START * shared.bridges.transports_before(open.way.transport);
            handles.push((way, tasks.spawn(stream::run(shared.clone(), way, addresses.to_vec(), delay))));
        }
        Self { tasks, handles }
    }

    /// Ends all but `used`.
    fn keep(&self, used: Option<usize>) {
        self.handles.iter().filter(|(way, _)| Some(*way) != used).for_each(|(_, handle)| handle.abort());
    }
}

/// Until no stream is left. Returns the one that was used and broke.
async fn race(shared: &Shared, mut streams: Streams) -> Option<usize> {
    while shared.settled().is_none() && !shared.is_closed() {
        tokio::select! {
            () = shared.changed.notified() => {}
            // With none left UDP may still answer; asked again, streams begin anew.
            ended = streams.tasks.join_next() => drop(ended?),
        }
    }
    let used = shared.settled();
    streams.keep(used);
    loop {
        tokio::select! {
            () = closed(shared) => {
                let farewell = async { while streams.tasks.join_next().await.is_some() {} };
                let _in_time = tokio::time::timeout(FAREWELL, farewell).await;
                return None;
            }
            ended = streams.tasks.join_next() => if ended?.ok() == used {
                tracing::info!("the stream to the relay broke");
                return used;
            },
        }
    }
}

async fn closed(shared: &Shared) {
    while !shared.is_closed() {
        shared.changed.notified().await;
    }
}

/// The relay's addresses in the family of our socket.
async fn look_up(shared: &Shared) -> Vec<IpAddr> {
    let host = shared.relay().host.as_str();
    let found: Vec<IpAddr> = match host.parse() {
        Ok(address) => vec![address],
        Err(_) => match tokio::net::lookup_host((host, 0)).await {
            Ok(found) => found.map(|address| address.ip()).collect(),
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "a relay's name is not known");
                Vec::new()
            }
        },
    };
    let v4 = shared.outside.local.is_ipv4();
    found.into_iter().filter(|address| address.is_ipv4() == v4).collect()
}

/// Lets UDP go to the relay, and says what was said before its address was known.
fn begin_udp(shared: &Shared, addresses: &[IpAddr]) {
    let Some(address) = addresses.first() else { return };
    for open in shared.ways.iter().filter(|open| open.way.transport == Transport::Udp) {
        let target = SocketAddr::new(*address, open.way.port);
        if open.target.set(target).is_err() {
            continue;
        }
        shared.bridges.lock().udp.insert(target);
        if let Some(pending) = shared.pending() {
            shared.try_way(open, &pending);
        }
    }
}
