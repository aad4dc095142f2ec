//! The program's log, to standard error.

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use super::values::{LogFormat, LogLevel};

/// Changes the level while the program runs.
pub(crate) struct LogHandle(reload::Handle<EnvFilter, Registry>);

impl LogHandle {
    pub(crate) fn set(&self, level: &LogLevel) {
        if self.0.reload(level.filter()).is_err() {
            tracing::warn!("log level not changed");
        }
    }
}

/// Starts to log.
pub(crate) fn start(level: &LogLevel, format: LogFormat) -> LogHandle {
    let (filter, handle) = reload::Layer::new(level.filter());
    let filter = filter.and(filter_fn(says_no_ids));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text => tracing_subscriber::registry().with(lines.with_filter(filter)).init(),
        LogFormat::Json => tracing_subscriber::registry().with(lines.json().with_filter(filter)).init(),
    }
    LogHandle(handle)
}

/// Libraries log what passes through them at their finer levels, the WebSocket one whole frames: room ids, nameplates,
/// tokens. Whatever `--log` says, of theirs only warnings are let through; of the one that reads STUN messages not even
/// those, which anybody could cause by sending junk.
fn says_no_ids(event: &Metadata) -> bool {
    let target = event.target();
    target.starts_with("eyeline_server") || (*event.level() <= Level::WARN && !target.starts_with("stun_types"))
}
