//! `eyeline-server`: the signaling server as a program.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use eyeline_server::relay::{Advertised, IceSource, Relay, RelayConfig, RelayTransport};
use eyeline_server::{ServerConfig, serve};
use tokio::net::{TcpListener, UdpSocket};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Introduces Eyeline clients to each other. Put a TLS proxy in front of it, or use it in a local network.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// Address and port to listen on; port 0 lets the system choose
    #[arg(long, default_value = "0.0.0.0:7420")]
    listen: SocketAddr,
    /// Write the port listened on to this file
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// Members per room, at most 16
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=16))]
    room_members: u16,
    /// New connections per minute from one address
    #[arg(long, default_value_t = ServerConfig::default().connections_per_min)]
    connections_per_min: u32,
    /// Open connections from one address
    #[arg(long, default_value_t = ServerConfig::default().connections_open_max)]
    connections_open: u32,
    /// Open connections in all
    #[arg(long, default_value_t = ServerConfig::default().connections_total_max)]
    connections_total: u32,
    /// Apply the limits per address to loopback addresses too
    #[arg(long)]
    limit_loopback: bool,
    /// Do not relay calls that find no direct path
    #[arg(long)]
    no_relay: bool,
    /// What to log, to standard error: error, warn, info, debug, trace; at no level what clients say
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = match EnvFilter::try_new(&args.log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("eyeline-server: --log: {error}");
            return ExitCode::from(2);
        }
    };
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_filter(filter.and(filter_fn(says_no_ids)));
    tracing_subscriber::registry().with(log).init();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eyeline-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Libraries log what passes through them at their finer levels, the WebSocket one whole frames: room ids, nameplates,
/// tokens. Whatever `--log` says, of theirs only warnings are let through; of the one that reads STUN messages not even
/// those, which anybody could cause by sending junk.
fn says_no_ids(event: &Metadata) -> bool {
    let target = event.target();
    target.starts_with("eyeline_server") || (*event.level() <= Level::WARN && !target.starts_with("stun_types"))
}

async fn run(args: &Args) -> io::Result<()> {
    // Before anything is announced, so that a signal right after it is not missed.
    let stop = stop_signal()?;
    let (listener, udp) = bind(args).await.map_err(|error| at("cannot listen", &args.listen, &error))?;
    let ice = match udp {
        Some(udp) => serve_relay(udp)?,
        None => IceSource::None,
    };
    let server = serve(listener, ServerConfig { ice, ..config(args) })?;
    let address = server.local_addr();
    if let Some(path) = &args.port_file {
        write_port(path, address.port()).map_err(|error| at("cannot write", &path.display(), &error))?;
    }
    writeln!(io::stdout(), "listening on http://{address}")?;
    stop.await;
    server.shutdown().await;
    Ok(())
}

/// Tries before a port that the system chose for TCP has to be free for UDP as well.
const BIND_TRIES: u32 = 16;

/// The same port for WebSockets and for the relay, unless there is to be none.
async fn bind(args: &Args) -> io::Result<(TcpListener, Option<UdpSocket>)> {
    let mut tries = if args.listen.port() == 0 { BIND_TRIES } else { 1 };
    loop {
        let listener = TcpListener::bind(args.listen).await?;
        if args.no_relay {
            return Ok((listener, None));
        }
        tries -= 1;
        match UdpSocket::bind(listener.local_addr()?).await {
            Ok(udp) => return Ok((listener, Some(udp))),
            Err(error) if tries == 0 || error.kind() != io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => {}
        }
    }
}

/// Members are told the host that they reached this server by: it is where the relay is too.
fn serve_relay(udp: UdpSocket) -> io::Result<IceSource> {
    let relay = Relay::new(RelayConfig::default())?;
    let port = udp.local_addr()?.port();
    let advertised = Advertised { host: None, transports: vec![RelayTransport::Stun(port), RelayTransport::Udp(port)] };
    let ice = IceSource::Own(relay.clone(), advertised);
    tokio::spawn(async move {
        if let Err(error) = relay.serve_udp(udp).await {
            tracing::error!(kind = ?error.kind(), "the relay has stopped");
        }
    });
    Ok(ice)
}

fn config(args: &Args) -> ServerConfig {
    ServerConfig {
        room_members: usize::from(args.room_members),
        connections_per_min: args.connections_per_min,
        connections_open_max: args.connections_open,
        connections_total_max: args.connections_total,
        loopback_exempt: !args.limit_loopback,
        ..ServerConfig::default()
    }
}

/// Whole or not at all: a script that waits for the file never reads half of it.
fn write_port(path: &Path, port: u16) -> io::Result<()> {
    let half = path.with_added_extension("new");
    std::fs::write(&half, format!("{port}\n"))?;
    std::fs::rename(&half, path)
}

fn at(what: &str, place: &dyn std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {place}: {error}"))
}

/// The system's wish that the program ends.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The system's wish that the program ends.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::windows::{ctrl_c, ctrl_close};
    let mut interrupt = ctrl_c()?;
    let mut close = ctrl_close()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = close.recv() => {}
        }
    })
}
