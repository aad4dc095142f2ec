//! Where our programs log to, and what never gets there.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// Logs to standard error what `EYELINE_LOG` asks for, or else `default` (both in the syntax of `EnvFilter`).
///
/// Libraries name addresses, candidates and passwords in their finer levels, so only their errors are let through
/// whatever was asked for, unless `EYELINE_LOG_LIBRARIES=1`.
pub fn start(default: &str) {
    let wanted = EnvFilter::try_from_env("EYELINE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let libraries = std::env::var_os("EYELINE_LOG_LIBRARIES").is_some_and(|value| value == "1");
    let harmless = filter_fn(move |event| libraries || says_no_addresses(event));
    let lines = fmt::layer().with_writer(std::io::stderr).with_filter(harmless).with_filter(wanted);
    tracing_subscriber::registry().with(lines).init();
}

fn says_no_addresses(event: &Metadata) -> bool {
    event.target().starts_with("eyeline") || *event.level() <= Level::ERROR
}
