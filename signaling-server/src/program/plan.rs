//! What the settings amount to: which listeners, which certificate. Here is refused what is wrong only in combination.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use eyeline_server::tls::AcmeSettings;
use eyeline_server::{Door, ServerConfig};

use super::settings::Settings;
use super::sources::Wrong;
use super::values::{Contact, Domain, Place, WebOrigin};

const LAN_PORT: u16 = 7420;
const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

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
    pub(crate) certificate: Option<Certificate>,
}

impl Plan {
    /// # Errors
    /// When settings contradict each other.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Wrong> {
        let public = settings.domain.is_some();
        let plan = Self {
            domain: settings.domain.clone(),
            listen: or_everywhere(&settings.listen, if public { HTTPS_PORT } else { LAN_PORT }),
            listen_http: match public {
                true => or_everywhere(&settings.listen_http, HTTP_PORT),
                false => settings.listen_http.clone(),
            },
            certificate: certificate(settings)?,
        };
        if !public {
            let needs_domain = [
                ("listen-http", !settings.listen_http.is_empty()),
                ("tls-cert", settings.tls_cert.is_some()),
                ("acme-contact", !settings.acme_contact.is_empty()),
                ("acme-ca", settings.acme_ca.is_some()),
            ];
            if let Some((name, _)) = needs_domain.iter().find(|(_, set)| *set) {
                return Err(Wrong(format!(
                    "{name} needs a domain: set domain to the name that people reach this server by"
                )));
            }
        }
        if addresses(&plan.listen).next().is_none() {
            return Err(Wrong("listen is off: the server would serve nobody".to_owned()));
        }
        Ok(plan)
    }

    /// Where to listen for what, the main door first.
    pub(crate) fn doors(&self) -> Vec<(SocketAddr, Door)> {
        let main = addresses(&self.listen).map(|address| (address, Door::Main));
        let http = addresses(&self.listen_http).map(|address| (address, Door::Redirect));
        main.chain(http).collect()
    }

    /// The name for links, with the port that was listened on.
    pub(crate) fn site(&self, port: u16) -> Option<String> {
        let domain = self.domain.as_ref()?.as_str();
        Some(if port == HTTPS_PORT { domain.to_owned() } else { format!("{domain}:{port}") })
    }

    /// What the plan chose for a setting that nobody set.
    pub(crate) fn chosen(&self, id: &str) -> Option<Vec<String>> {
        let texts = |places: &[Place]| Some(places.iter().map(Place::to_string).collect());
        match id {
            "listen" => texts(&self.listen),
            "listen_http" => texts(&self.listen_http),
            _ => None,
        }
    }
}

fn addresses(places: &[Place]) -> impl Iterator<Item = SocketAddr> {
    places.iter().filter_map(|place| match place {
        Place::Off => None,
        Place::At(address) => Some(*address),
    })
}

/// All addresses of both kinds, unless others were named.
fn or_everywhere(places: &[Place], port: u16) -> Vec<Place> {
    match places {
        [] => vec![Place::At(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))],
        places => places.to_vec(),
    }
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
pub(crate) fn server_config(settings: &Settings, site: Option<String>) -> ServerConfig {
    ServerConfig {
        room_members: usize::from(settings.room_members),
        connections_per_min: settings.connections_per_min,
        connections_open_max: settings.connections_open,
        connections_total_max: settings.connections_total,
        loopback_exempt: !settings.limit_loopback,
        drain_within: Duration::from_secs(settings.drain_s.into()),
        site,
        origins: settings.origins.iter().cloned().map(WebOrigin::into_string).collect(),
        ..ServerConfig::default()
    }
}
