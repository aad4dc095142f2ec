//! Every setting there is, once: its name is at the same time that of the flag, of the key in the file and, in capitals
//! after `EYELINE_`, of the variable; its comment is what `--help` and `--print-config` say of it.

use std::path::PathBuf;

use clap::Parser;
use eyeline_server::ServerConfig;

use super::values::{Contact, Domain, LogFormat, LogLevel, Loopback, Place, Secret, TurnUrl, WebOrigin};

/// Introduces Eyeline clients to each other. Alone it serves the local network; with --domain it is a public server that
/// gets its certificate itself.
///
/// Each setting is taken from the first of: the flag, the variable EYELINE_NAME, the file (TOML, keys named like the
/// flags), the default.
#[derive(Debug, Clone, Parser)]
#[command(name = "eyeline-server", version, max_term_width = 100, next_help_heading = "Where it is")]
pub(crate) struct Settings {
    /// The settings' file [default: /etc/eyeline/server.toml, if it is there]
    #[arg(long, value_name = "FILE", help_heading = None)]
    pub(crate) config: Option<PathBuf>,
    /// Print all settings in force, as a settings' file, and end
    #[arg(long, help_heading = None)]
    pub(crate) print_config: bool,

    /// The name under which people reach this server, such as call.example.org. With it the server speaks TLS, on port 443,
    /// and gets a certificate for that name unless files are given
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Option<Domain>,
    /// Addresses and ports for everything: calls, pages, STUN and TURN; with a domain over TLS. Port 0 lets the system
    /// choose. [default: [::]:7420; with a domain [::]:443]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) listen: Vec<Place>,
    /// Where plain HTTP is answered, by pointing to HTTPS and with nothing else; or off. Needs a domain. [default: with a
    /// domain [::]:80]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) listen_http: Vec<Place>,
    /// Where STUN and TURN are served besides, by UDP and TCP; or off. [default: with a domain [::]:3478]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) listen_stun: Vec<Place>,
    /// Where STUN and TURN are served besides, over TLS; or off. Needs a domain. [default: with a domain [::]:5349]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) listen_stuns: Vec<Place>,
    /// Write the first port listened on to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,

    /// The ACME directory that certificates are got from; whoever sets a domain accepts the terms of that authority
    #[arg(long, value_name = "URL", default_value = LETS_ENCRYPT, help_heading = "Certificate")]
    pub(crate) acme_directory: String,
    /// Mail address for the certificate authority's warnings; several are separated by commas
    #[arg(long, value_name = "MAIL", value_delimiter = ',', help_heading = "Certificate")]
    pub(crate) acme_contact: Vec<Contact>,
    /// Certificates (PEM) by which the ACME directory is trusted, instead of the system's
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub(crate) acme_ca: Option<PathBuf>,
    /// Folder in which the server keeps its certificate and its account with the authority
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/eyeline", help_heading = "Certificate")]
    pub(crate) state_dir: PathBuf,
    /// The certificate chain (PEM), instead of one by ACME; read again when it changes
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Do not relay calls that find no direct path, and serve no STUN
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false,
        default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Relay")]
    pub(crate) no_relay: bool,
    /// What relay credentials are made with, a long random text; with one that stays, those handed out before a restart
    /// are good after it. [default: drawn at each start]
    #[arg(long, value_name = "TEXT", help_heading = "Relay")]
    pub(crate) relay_secret: Option<Secret>,
    /// Relayed ways at a time; each side of a call takes up to three while it looks for the best, and one or none
    /// afterwards
    #[arg(long, value_name = "N", default_value_t = 2_000,
        value_parser = clap::value_parser!(u16).range(1..=16_384), help_heading = "Relay")]
    pub(crate) relay_allocations: u16,
    /// The most that one relayed way may send, in kbit/s
    #[arg(long, value_name = "KBIT", default_value_t = 12_000, help_heading = "Relay")]
    pub(crate) relay_allocation_kbit_s: u32,
    /// The most that all relayed ways together may send, in Mbit/s
    #[arg(long, value_name = "MBIT", default_value_t = 200, help_heading = "Relay")]
    pub(crate) relay_total_mbit_s: u32,
    /// STUN and TURN servers to name to clients instead of this one, such as turn:relay.example.org:3478?transport=udp;
    /// several are separated by commas. They take credentials made with turn-secret, as coturn does with use-auth-secret
    #[arg(long, value_name = "URL", value_delimiter = ',', help_heading = "Relay")]
    pub(crate) turn_urls: Vec<TurnUrl>,
    /// The secret shared with those servers
    #[arg(long, value_name = "TEXT", help_heading = "Relay")]
    pub(crate) turn_secret: Option<Secret>,

    /// Other web sites whose pages may open calls here, such as https://example.org; several are separated by commas. The
    /// server's own pages may, and so may programs that are no browsers
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', help_heading = "Limits")]
    pub(crate) origins: Vec<WebOrigin>,
    /// Members per room, at most 16
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=16),
        help_heading = "Limits")]
    pub(crate) room_members: u16,
    /// New connections per minute from one address (IPv6: one /64)
    #[arg(long, value_name = "N", default_value_t = ServerConfig::default().connections_per_min, help_heading = "Limits")]
    pub(crate) connections_per_min: u32,
    /// Open connections from one address (IPv6: one /64)
    #[arg(long, value_name = "N", default_value_t = ServerConfig::default().connections_open_max, help_heading = "Limits")]
    pub(crate) connections_open: u32,
    /// Open connections in all
    #[arg(long, value_name = "N", default_value_t = ServerConfig::default().connections_total_max,
        help_heading = "Limits")]
    pub(crate) connections_total: u32,
    /// Apply the limits per address to loopback addresses too
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false,
        default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Limits")]
    pub(crate) limit_loopback: bool,

    /// Where figures for Prometheus are served, at /metrics; a loopback address
    #[arg(long, value_name = "ADDRESS", help_heading = "Operation")]
    pub(crate) metrics: Option<Loopback>,
    /// How long, in seconds, a server that is told to end waits for relayed calls to end and for its clients to leave
    #[arg(long, value_name = "SECONDS", default_value_t = 5, help_heading = "Operation")]
    pub(crate) drain_s: u32,
    /// What to log, to standard error: error, warn, info, debug, trace; at no level what clients say
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Operation")]
    pub(crate) log: LogLevel,
    /// How to log: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Operation")]
    pub(crate) log_format: LogFormat,
}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
