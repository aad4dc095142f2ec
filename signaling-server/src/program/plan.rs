//! What the settings amount to: which listeners, which certificate. Here is refused what is wrong only in combination.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use eyeline_server::relay::{Advertised, ExternalRelay, IceSource, Relay, RelayConfig, RelayTransport};
use eyeline_server::tls::AcmeSettings;
use eyeline_server::{Door, ServerConfig};

use super::settings::Settings;
use super::sources::Wrong;
use super::values::{Contact, Domain, Place, Secret, TurnUrl, WebOrigin};

const LAN_PORT: u16 = 7420;
const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;
const STUN_PORT: u16 = 3478;
const STUNS_PORT: u16 = 5349;

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub(crate) enum Certificate {
    Files { cert: PathBuf, key: PathBuf },
    Acme(AcmeSettings),
}

/// A server to be started.
#[derive(Debug)]
pub(crate) struct Plan {
    domain: Option<Domain>,
    listen: Vec<Place>,
    listen_http: Vec<Place>,
    listen_stun: Vec<Place>,
    listen_stuns: Vec<Place>,
    pub(crate) certificate: Option<Certificate>,
    relay: RelayPlan,
}

/// Who relays.
#[derive(Debug)]
enum RelayPlan {
    None,
    Own(RelayConfig),
    External(ExternalRelay),
}

/// A place to listen at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DoorPlan {
    pub(crate) address: SocketAddr,
    pub(crate) door: Door,
    /// Whether STUN and TURN come by UDP to the same port.
    pub(crate) udp: bool,
}

impl Plan {
    /// # Errors
    /// When settings contradict each other.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Wrong> {
        needs_domain(settings)?;
        let public = settings.domain.is_some();
        let relay = relay(settings)?;
        let has_relay = matches!(relay, RelayPlan::Own(_));
        if !(has_relay || settings.listen_stun.is_empty() && settings.listen_stuns.is_empty()) {
            return Err(Wrong("listen-stun and listen-stuns are for this server's own relay, which is off".to_owned()));
        }
        let or_usual = |places: &[Place], usual: bool, port: u16| match (places, usual) {
            ([], true) => vec![Place::At(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))],
            (places, _) => places.to_vec(),
        };
        let plan = Self {
            domain: settings.domain.clone(),
            listen: or_usual(&settings.listen, true, if public { HTTPS_PORT } else { LAN_PORT }),
            listen_http: or_usual(&settings.listen_http, public, HTTP_PORT),
            listen_stun: or_usual(&settings.listen_stun, public && has_relay, STUN_PORT),
            listen_stuns: or_usual(&settings.listen_stuns, public && has_relay, STUNS_PORT),
            certificate: certificate(settings)?,
            relay,
        };
        if addresses(&plan.listen).next().is_none() {
            return Err(Wrong("listen is off: the server would serve nobody".to_owned()));
        }
        Ok(plan)
    }

    /// Where to listen for what, the main door first.
    pub(crate) fn doors(&self) -> Vec<DoorPlan> {
        let has_relay = matches!(self.relay, RelayPlan::Own(_));
        let doors = [
            (&self.listen, Door::Main, has_relay),
            (&self.listen_http, Door::Redirect, false),
            (&self.listen_stun, Door::Stun, has_relay),
            (&self.listen_stuns, Door::Stuns, false),
        ];
        let doors = doors.into_iter();
        doors
            .flat_map(|(places, door, udp)| addresses(places).map(move |address| DoorPlan { address, door, udp }))
            .collect()
    }

    /// The name for links, with the port that was listened on.
    pub(crate) fn site(&self, port: u16) -> Option<String> {
        let domain = self.domain.as_ref()?.as_str();
        Some(if port == HTTPS_PORT { domain.to_owned() } else { format!("{domain}:{port}") })
    }

    /// What members are told of relays, where the server listens at `doors`.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn ice(&self, doors: &[(Door, SocketAddr)]) -> io::Result<IceSource> {
        match &self.relay {
            RelayPlan::None => Ok(IceSource::None),
            RelayPlan::External(external) => Ok(IceSource::External(external.clone())),
            RelayPlan::Own(config) => {
                let host = self.domain.as_ref().map(|domain| domain.as_str().to_owned());
                let transports = transports(doors, host.is_some());
                Ok(IceSource::Own(Relay::new(config.clone())?, Advertised { host, transports }))
            }
        }
    }

    /// What the plan chose for a setting that nobody set.
    pub(crate) fn chosen(&self, id: &str) -> Option<Vec<String>> {
        let texts = |places: &[Place]| Some(places.iter().map(Place::to_string).collect());
        match id {
            "listen" => texts(&self.listen),
            "listen_http" => texts(&self.listen_http),
            "listen_stun" => texts(&self.listen_stun),
            "listen_stuns" => texts(&self.listen_stuns),
            _ => None,
        }
    }
}

/// The ways to the relay, best first. With TLS: UDP by its own port, then by the port of HTTPS, which more firewalls let out,
/// then what looks like HTTPS to all of them. What is not named is served all the same. Behind a proxy the main door is for
/// this machine only: then it is none of the ways.
fn transports(doors: &[(Door, SocketAddr)], tls: bool) -> Vec<RelayTransport> {
    let open = doors.iter().any(|(_, address)| !address.ip().is_loopback());
    let reached = |address: &SocketAddr| !(open && address.ip().is_loopback());
    let port = |wanted: Door| {
        doors.iter().find(|(door, address)| *door == wanted && reached(address)).map(|(_, address)| address.port())
    };
    let (main, own) = (port(Door::Main), port(Door::Stun));
    let first = own.or(main);
    let udp = [own, main].into_iter().flatten().map(RelayTransport::Udp);
    let stream = if tls { main.map(RelayTransport::Tls) } else { first.map(RelayTransport::Tcp) };
    first.map(RelayTransport::Stun).into_iter().chain(udp).chain(stream).collect()
}

fn needs_domain(settings: &Settings) -> Result<(), Wrong> {
    let set = [
        ("listen-http", !settings.listen_http.is_empty()),
        ("listen-stuns", !settings.listen_stuns.is_empty()),
        ("tls-cert", settings.tls_cert.is_some() && settings.tls_key.is_some()),
        ("acme-contact", !settings.acme_contact.is_empty()),
        ("acme-ca", settings.acme_ca.is_some()),
    ];
    match set.into_iter().find(|(_, set)| *set && settings.domain.is_none()) {
        Some((name, _)) => {
            Err(Wrong(format!("{name} needs a domain: set domain to the name that people reach this server by")))
        }
        None => Ok(()),
    }
}

fn relay(settings: &Settings) -> Result<RelayPlan, Wrong> {
    let wrong = |text: &str| Err(Wrong(text.to_owned()));
    match (&settings.turn_secret, settings.turn_urls.as_slice()) {
        (None, []) if settings.no_relay => Ok(RelayPlan::None),
        (None, []) => Ok(RelayPlan::Own(RelayConfig {
            secret: settings.relay_secret.clone().map(Secret::into_string),
            allocations_max: usize::from(settings.relay_allocations),
            allocation_bytes_per_s: u64::from(settings.relay_allocation_kbit_s) * 1_000 / 8,
            total_bytes_per_s: u64::from(settings.relay_total_mbit_s) * 1_000_000 / 8,
            loopback_exempt: !settings.limit_loopback,
            ..RelayConfig::default()
        })),
        (Some(_), []) => wrong("turn-secret needs turn-urls, the servers that it is shared with"),
        (None, [_, ..]) => wrong("turn-urls needs turn-secret, the secret shared with these servers"),
        (Some(_), [_, ..]) if settings.no_relay => wrong("no-relay excludes turn-urls: clients have a relay or none"),
        (Some(secret), urls) => {
            let urls = urls.iter().cloned().map(TurnUrl::into_string).collect();
            Ok(RelayPlan::External(ExternalRelay::new(urls, secret.clone().into_string())))
        }
    }
}

fn addresses(places: &[Place]) -> impl Iterator<Item = SocketAddr> {
    places.iter().filter_map(|place| match place {
        Place::Off => None,
        Place::At(address) => Some(*address),
    })
}

fn certificate(settings: &Settings) -> Result<Option<Certificate>, Wrong> {
    let (cert, key) = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => return Err(Wrong("tls-cert needs tls-key, the key that belongs to it".to_owned())),
        (None, Some(_)) => return Err(Wrong("tls-key needs tls-cert, the certificate that belongs to it".to_owned())),
        (None, None) => return Ok(settings.domain.as_ref().map(|domain| Certificate::Acme(acme(settings, domain)))),
    };
    if !settings.acme_contact.is_empty() || settings.acme_ca.is_some() {
        return Err(Wrong(
            "tls-cert excludes acme-contact and acme-ca: a certificate is in files or comes by ACME".into(),
        ));
    }
    Ok(Some(Certificate::Files { cert: cert.clone(), key: key.clone() }))
}

fn acme(settings: &Settings, domain: &Domain) -> AcmeSettings {
    AcmeSettings {
        domain: domain.as_str().to_owned(),
        directory: settings.acme_directory.as_str().to_owned(),
        contact: settings.acme_contact.iter().map(Contact::url).collect(),
        roots: settings.acme_ca.clone(),
        folder: settings.state_dir.join("acme"),
    }
}

/// What the server itself needs of the settings.
pub(crate) fn server_config(settings: &Settings, site: Option<String>, ice: IceSource) -> ServerConfig {
    ServerConfig {
        room_members: usize::from(settings.room_members),
        connections_per_min: settings.connections_per_min,
        connections_open_max: settings.connections_open,
        connections_total_max: settings.connections_total,
        loopback_exempt: !settings.limit_loopback,
        drain_within: Duration::from_secs(settings.drain_s.into()),
        site,
        ice,
        origins: settings.origins.iter().cloned().map(WebOrigin::into_string).collect(),
        ..ServerConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_way_to_the_relay_comes_first() {
        use RelayTransport::{Stun, Tcp, Tls, Udp};
        let at = |door, text: &str| (door, text.parse::<SocketAddr>().unwrap());
        for (doors, tls, ways) in [
            (vec![at(Door::Main, "[::]:7420")], false, vec![Stun(7420), Udp(7420), Tcp(7420)]),
            (vec![at(Door::Main, "127.0.0.1:9")], false, vec![Stun(9), Udp(9), Tcp(9)]),
            (
                vec![at(Door::Main, "[::]:443"), at(Door::Stun, "[::]:3478"), at(Door::Stuns, "[::]:5349")],
                true,
                vec![Stun(3478), Udp(3478), Udp(443), Tls(443)],
            ),
            (vec![at(Door::Main, "[::]:443")], true, vec![Stun(443), Udp(443), Tls(443)]),
            // Behind a proxy on this machine.
            (
                vec![at(Door::Main, "127.0.0.1:7420"), at(Door::Stun, "[::]:3478")],
                false,
                vec![Stun(3478), Udp(3478), Tcp(3478)],
            ),
        ] {
            assert_eq!(transports(&doors, tls), ways, "{doors:?}");
        }
    }
}
