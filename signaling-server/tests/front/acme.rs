//! A certificate by ACME, from Pebble, the test server of Let's Encrypt's makers: it checks this server over TLS-ALPN-01 as
//! the real one does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::{TempDir, tempdir};
use tokio::process::{Child, Command};

use crate::authority::{Authority, DOMAIN};
use crate::client::{Member, Trust, get, get_plain, shown};
use crate::program::{Program, eventually};

/// Names that all mean this machine.
struct Names {
    address: SocketAddr,
    _program: Child,
}

impl Names {
    fn start() -> Self {
        let address = free();
        let dns = address.to_string();
        let management = free().to_string();
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-dns01", &dns, "-management", &management, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        Self { address, _program: spawn(command) }
    }
}

/// Where Pebble will be, and whom it trusts to check.
struct Place {
    folder: TempDir,
    authority: Authority,
    listen: SocketAddr,
    management: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let place =
            Self { folder: tempdir().unwrap(), authority: Authority::new(), listen: free(), management: free() };
        std::fs::write(place.path("ca.pem"), place.authority.pem()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn directory(&self) -> String {
        format!("https://{}/dir", self.listen)
    }

    /// Starts Pebble, which checks domains at this port, and gives the root that it signs with.
    async fn pebble(&self, tls_port: u16, names: &Names) -> (Child, RootCertStore) {
        let (cert, key) = self.authority.issue_for(vec![DOMAIN.to_owned(), "127.0.0.1".to_owned()]);
        std::fs::write(self.path("pebble.pem"), cert).unwrap();
        std::fs::write(self.path("pebble.key"), key).unwrap();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": self.listen.to_string(),
            "managementListenAddress": self.management.to_string(),
            "certificate": self.path("pebble.pem"),
            "privateKey": self.path("pebble.key"),
            "httpPort": 1,
            "tlsPort": tls_port,
            "certificateValidityPeriod": 90 * 86_400,
        }});
        std::fs::write(self.path("pebble.json"), config.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.path("pebble.json")).args(["-dnsserver", &names.address.to_string()]);
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let child = spawn(command);
        let root = eventually("pebble's root", async || {
            let stream = Trust::new(self.authority.roots()).connect(self.management).await.ok()?;
            let answer = get(stream, "/roots/0").await;
            CertificateDer::from_pem_slice(answer.as_bytes()).ok()
        });
        let mut roots = RootCertStore::empty();
        roots.add(root.await).unwrap();
        (child, roots)
    }

    fn server(&self, listen: SocketAddr) -> Program {
        let ca = self.path("ca.pem");
        let state = self.path("state");
        Program::start([
            "--domain",
            DOMAIN,
            "--listen",
            &listen.to_string(),
            "--listen-http",
            "off",
            "--listen-stun",
            "off",
            "--listen-stuns",
            "off",
            "--metrics",
            "127.0.0.1:0",
            "--acme-directory",
            &self.directory(),
            "--acme-ca",
            ca.to_str().unwrap(),
            "--acme-contact",
            "admin@server.example",
            "--state-dir",
            state.to_str().unwrap(),
        ])
    }

    /// The file of this kind that the server keeps, once it is whole.
    fn kept(&self, kind: &str) -> Option<PathBuf> {
        let mut paths = std::fs::read_dir(self.path("state/acme")).unwrap().map(|entry| entry.unwrap().path());
        paths.find(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(kind) && !name.ends_with(".new")
        })
    }
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// A port that was free a moment ago: these programs do not say which one the system chose for them.
fn free() -> SocketAddr {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn days_left(metrics: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix("eyeline_certificate_days_left "));
    line.unwrap_or_else(|| panic!("no days in {metrics}")).parse().unwrap()
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}

#[tokio::test]
async fn a_certificate_is_got_kept_and_renewed_without_dropping_a_call() {
    if std::process::Command::new("pebble").arg("-version").output().is_err() {
        eprintln!("skipped: pebble is not installed");
        return;
    }
    let (names, place) = (Names::start(), Place::new());
    let mut server = place.server("127.0.0.1:0".parse().unwrap());
    let address = server.address("listening on https://").await;
    let figures = server.address("figures for Prometheus at http://").await;
    let not_ready = get_plain(figures, "/readyz").await;
    assert!(not_ready.starts_with("HTTP/1.1 503") && not_ready.ends_with("no certificate\n"), "{not_ready}");
    assert!(get_plain(figures, "/healthz").await.starts_with("HTTP/1.1 200"));

    // The authority was away; it is tried again.
    let (mut pebble, roots) = place.pebble(address.port(), &names).await;
    let got = async || Trust::new(roots.clone()).connect(address).await.ok();
    assert!(get(eventually("a certificate", got).await, "/readyz").await.starts_with("HTTP/1.1 200"));
    let kept = eventually("the certificate kept", async || place.kept("certificate")).await;
    assert!(is_private(&kept) && is_private(&place.kept("account").unwrap()));
    assert!(days_left(&get_plain(figures, "/metrics").await) > 80.0);

    // Eighty days later, and the authority is away.
    server.signal("-TERM");
    assert_eq!(server.ended().await, Some(0));
    pebble.kill().await.unwrap();
    let (cert, key) = place.authority.issue(DOMAIN, 80, 10);
    std::fs::write(&kept, [key, cert, place.authority.pem()].concat()).unwrap();
    let mut server = place.server(address);
    assert_eq!(server.address("listening on https://").await, address);
    let figures = server.address("figures for Prometheus at http://").await;
    let got = async || Trust::new(place.authority.roots()).connect(address).await.ok();
    let stream = eventually("the old certificate", got).await;
    let old = shown(&stream).to_vec();
    let mut member = Member::join(stream, &format!("wss://{DOMAIN}/ws")).await;
    let left = days_left(&get_plain(figures, "/metrics").await);
    assert!((9.0..=10.0).contains(&left), "{left}");

    let (_pebble, roots) = place.pebble(address.port(), &names).await;
    let got = async || Trust::new(roots.clone()).connect(address).await.ok();
    let renewed = eventually("a new certificate", got).await;
    assert_ne!(shown(&renewed).to_vec(), old);
    assert!(member.is_alive().await);
    assert!(days_left(&get_plain(figures, "/metrics").await) > 80.0);
}
