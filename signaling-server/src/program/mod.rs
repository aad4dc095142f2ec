//! `eyeline-server` as a program: settings in, a server out, signals meanwhile.

mod bind;
mod logging;
mod plan;
mod print;
mod settings;
mod signals;
mod sources;
mod values;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use eyeline_server::relay::IceSource;
use eyeline_server::tls::{Tls, TlsError};
use eyeline_server::{Door, Server, ServerHandle};

use self::logging::LogHandle;
use self::plan::{Certificate, DoorPlan, Plan, server_config};
use self::settings::Settings;
use self::signals::{Signal, Signals};
use self::sources::{Loaded, Wrong, load};

/// Why the program ends early.
pub(crate) enum Failure {
    /// What the user set is wrong.
    Settings(Wrong),
    /// The machine does not give what is needed.
    Machine(io::Error),
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        Self::Settings(wrong)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Machine(error)
    }
}

/// Runs until it is told to end.
pub(crate) async fn run(args: &[OsString]) -> Result<(), Failure> {
    let Loaded { settings, matches } = load(args)?;
    let plan = Plan::new(&settings)?;
    if settings.print_config {
        io::stdout().write_all(print::config(&matches, &plan).as_bytes())?;
        return Ok(());
    }
    let log = logging::start(&settings.log, settings.log_format);
    // Before anything is announced, so that a signal right after it is not missed.
    let mut signals = Signals::new()?;
    let tls = plan.certificate.as_ref().map(certificate).transpose().map_err(|error| Wrong(error.to_string()))?;
    let tls = tls.map(Arc::new);
    let (server, site) = start(&settings, &plan, tls.clone())?;
    if let Some(path) = &settings.port_file {
        write_port(path, server.local_addr().port()).map_err(|error| at("cannot write", &path.display(), &error))?;
    }
    // At once, so that a script may close the pipe after the first line. Whoever did so before needs nothing said.
    io::stdout().write_all(announcement(&server, site.as_deref()).as_bytes()).ok();
    while signals.next().await == Signal::Reload {
        reload(args, &server, site.clone(), tls.as_deref(), &log).await;
    }
    tokio::select! {
        () = server.shutdown() => {}
        () = stopped(&mut signals) => tracing::info!("told twice: not waiting"),
    }
    Ok(())
}

fn certificate(source: &Certificate) -> Result<Tls, TlsError> {
    match source {
        Certificate::Files { cert, key } => Tls::from_files(cert, key),
        Certificate::Acme(settings) => Tls::from_acme(settings.clone()),
    }
}

fn start(settings: &Settings, plan: &Plan, tls: Option<Arc<Tls>>) -> Result<(ServerHandle, Option<String>), Failure> {
    let doors = plan.doors();
    let others: Vec<SocketAddr> = doors.iter().map(|door| door.address).collect();
    let (mut listeners, mut datagrams) = (Vec::new(), Vec::new());
    for DoorPlan { address, door, udp } in doors {
        let bound = if udp {
            bind::both(address, &others).map(|(tcp, udp)| (tcp, Some(udp)))
        } else {
            bind::tcp(address, &others).map(|tcp| (tcp, None))
        };
        let (tcp, udp) = bound.map_err(|error| at("cannot listen", &address, &error))?;
        listeners.push((tcp, door));
        datagrams.extend(udp);
    }
    let places = listeners.iter().map(|(listener, door)| Ok((*door, listener.local_addr()?)));
    let places: Vec<_> = places.collect::<io::Result<_>>()?;
    let site = plan.site(places.first().map_or(0, |(_, main)| main.port()));
    let mut server = Server::new(server_config(settings, site.clone(), plan.ice(&places)?));
    for (listener, door) in listeners {
        server = server.door(listener, door);
    }
    for socket in datagrams {
        server = server.datagrams(socket);
    }
    if let Some(metrics) = settings.metrics {
        server = server.figures(bind::tcp(metrics.0, &[]).map_err(|error| at("cannot listen", &metrics.0, &error))?);
    }
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    Ok((server.start()?, site))
}

/// Where the server is: for scripts in the first line, for people after it.
fn announcement(server: &ServerHandle, site: Option<&str>) -> String {
    let scheme = if site.is_some() { "https" } else { "http" };
    let mut lines = Vec::new();
    for (door, address) in server.addresses() {
        lines.push(match door {
            Door::Main => format!("listening on {scheme}://{address}"),
            Door::Redirect => format!("redirecting from http://{address}"),
            Door::Stun => format!("STUN and TURN at {address}"),
            Door::Stuns => format!("STUN and TURN over TLS at {address}"),
        });
    }
    lines.extend(server.figures().iter().map(|address| format!("figures for Prometheus at http://{address}")));
    let main = server.local_addr();
    match site {
        Some(site) => lines.push(format!("people use https://{site}")),
        None if main.ip().is_unspecified() => {
            let here = lan_addresses(main.is_ipv4()).into_iter().map(|ip| SocketAddr::new(ip, main.port()));
            lines.extend(here.map(|here| format!("people in this network use http://{here}")));
        }
        None => {}
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// This machine's addresses that others can reach; without IPv6's that need the name of an interface.
fn lan_addresses(v4_only: bool) -> Vec<IpAddr> {
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v4_only && !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| interface.ip()).filter(usable).collect()
}

/// What can change does; the rest waits for the next start. Calls go on.
async fn reload(args: &[OsString], server: &ServerHandle, site: Option<String>, tls: Option<&Tls>, log: &LogHandle) {
    if let Some(Err(error)) = tls.map(Tls::reload) {
        tracing::warn!(%error, "certificate not exchanged");
    }
    match load(args).and_then(|loaded| Plan::new(&loaded.settings).map(|_| loaded.settings)) {
        Ok(settings) => {
            log.set(&settings.log);
            server.reconfigure(&server_config(&settings, site, IceSource::None)).await;
            tracing::info!("settings read");
        }
        Err(wrong) => tracing::warn!(%wrong, "settings stay as they were"),
    }
}

async fn stopped(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

/// Whole or not at all: a script that waits for the file never reads half of it.
fn write_port(path: &Path, port: u16) -> io::Result<()> {
    let half = path.with_added_extension("new");
    std::fs::write(&half, format!("{port}\n"))?;
    std::fs::rename(&half, path)
}

fn at(what: &str, place: &dyn Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {place}: {error}"))
}
