//! Calls from networks that let little out, or that are not connected to each other.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use eyeline_tests::crossing::{Crossed, Crossing};
use eyeline_tests::lan::{Host, Lan, lan_or_skip};
use eyeline_tests::report::Table;
use eyeline_tests::server::Server;
use eyeline_tests::{Failure, Outcome, Scene, ensure};

/// What the server is called where it has a name.
const NAME: &str = "call.example.org";
const HTTPS: u16 = 443;
/// How long bytes may take that are sure to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nothing leaves but TCP to port 443.
const TCP_443: &str = "tcp dport 443 accept";
/// Nothing leaves but TLS to port 443: a connection whose first bytes are none of a handshake's is left hanging. What has at
/// most 60 bytes are packets without data.
const TLS_443: &str = "
    tcp dport 443 ct mark 1 accept
    tcp dport 443 @ih,0,16 0x1603 ct mark set 1 accept
    tcp dport 443 meta length <= 60 accept";
/// Everything leaves, and answers come in.
const ANSWERS: &str = "accept";

/// The two reach the server and nobody else.
#[test]
fn nat_no_direct_route() -> Outcome {
    let scene = Scene::open("nat_no_direct_route")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start_on(&scene, "server", &lan.server, Lan::SERVER_ADDRESS, 0)?;
    lan.part()?;
    let mut tries = Tries::new(&scene, server.url());
    tries.add("no route", [&lan.a, &lan.b], ["relayed", "relayed"])?;
    tries.publish()
}

/// Firewalls that let out nothing but TCP to port 443.
#[test]
fn nat_only_tcp_443() -> Outcome {
    let scene = Scene::open("nat_only_tcp_443")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start_on(&scene, "server", &lan.server, Lan::SERVER_ADDRESS, HTTPS)?;
    let mut tries = Tries::new(&scene, server.url());
    firewall(&lan.a, TCP_443)?;
    tries.add("TCP 443 only - open", [&lan.a, &lan.b], ["relayed_tcp", "relayed"])?;
    firewall(&lan.b, TCP_443)?;
    tries.add("TCP 443 only - TCP 443 only", [&lan.a, &lan.b], ["relayed_tcp", "relayed_tcp"])?;
    tries.publish()
}

/// Firewalls that look into what goes to port 443, and let out nothing but TLS.
#[test]
fn nat_only_tls_443() -> Outcome {
    let scene = Scene::open("nat_only_tls_443")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    lan.name(NAME, [Lan::SERVER_ADDRESS; 2])?;
    let [cert, key] = ["cert.pem", "key.pem"].map(|file| scene.scratch(file));
    let certified = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    fs::write(&cert, certified.cert.pem())?;
    fs::write(&key, certified.signing_key.serialize_pem())?;
    let [cert, key] = [&cert, &key].map(|file| file.display().to_string());
    let more = ["--domain", NAME, "--tls-cert", &cert, "--tls-key", &key];
    let _server = Server::start_with(&scene, "server", &lan.server, (Lan::SERVER_ADDRESS, HTTPS), &more)?;
    firewall(&lan.a, TLS_443)?;
    lets_out_tls_alone(&lan)?;
    let mut tries = Tries::new(&scene, format!("https://{NAME}"));
    tries.environment.push(("SSL_CERT_FILE".into(), cert));
    tries.add("TLS on 443 only - open", [&lan.a, &lan.b], ["relayed_tls", "relayed"])?;
    firewall(&lan.b, TLS_443)?;
    tries.add("TLS on 443 only - TLS on 443 only", [&lan.a, &lan.b], ["relayed_tls", "relayed_tls"])?;
    tries.publish()
}

/// Machines without IPv4, and one with nothing else.
#[test]
fn nat_ipv6() -> Outcome {
    let scene = Scene::open("nat_ipv6")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    lan.add_ipv6()?;
    let server = Server::start_on(&scene, "server", &lan.server, "[::]", 0)?;
    lan.name(NAME, [Lan::SERVER_ADDRESS_V6, Lan::SERVER_ADDRESS])?;
    let mut tries = Tries::new(&scene, format!("http://{NAME}:{}", server.port()));
    lan.a.run("ip", &["-4", "address", "flush", "dev", "eth0"])?;
    tries.add("IPv6 only - IPv4 and IPv6", [&lan.a, &lan.b], ["direct", "direct"])?;
    lan.b.run("ip", &["-6", "address", "flush", "dev", "eth0"])?;
    tries.add("IPv6 only - IPv4 only", [&lan.a, &lan.b], ["relayed", "relayed"])?;

    lan.add_ipv6()?;
    lan.b.run("ip", &["-4", "address", "flush", "dev", "eth0"])?;
    lan.name(NAME, [Lan::SERVER_ADDRESS_V6; 2])?;
    tries.add("IPv6 only - IPv6 only", [&lan.a, &lan.b], ["direct", "direct"])?;
    for host in [&lan.a, &lan.b] {
        firewall(host, ANSWERS)?;
    }
    tries.add("IPv6 only, answers alone come in - the same", [&lan.a, &lan.b], ["direct", "direct"])?;
    tries.publish()
}

/// Calls in one network, and their table.
struct Tries<'a> {
    scene: &'a Scene,
    server: String,
    environment: Vec<(String, String)>,
    table: Table,
    count: usize,
}

impl<'a> Tries<'a> {
    fn new(scene: &'a Scene, server: String) -> Self {
        Self { scene, server, environment: Vec::new(), table: Table::new(&Crossed::COLUMNS), count: 0 }
    }

    fn add(&mut self, label: &str, machines: [&Host; 2], wanted: [&str; 2]) -> Outcome {
        let (server, environment) = (self.server.clone(), self.environment.clone());
        self.count += 1;
        let name = format!("call{}", self.count);
        let crossed = Crossing { name, server, machines, environment }.run(self.scene);
        let crossed = crossed.map_err(|failure| failure.while_doing(label))?;
        self.table.row(label, &crossed.row());
        ensure!(crossed.paths == wanted, "{label}: {:?} instead of {wanted:?}", crossed.paths);
        Ok(())
    }

    fn publish(&self) -> Outcome {
        self.table.publish(self.scene)
    }
}

/// Lets answers in and `out` out, and nothing else.
fn firewall(host: &Host, out: &str) -> Outcome {
    let rules = format!(
        "table inet eyeline_firewall {{
            chain in {{
                type filter hook input priority 0; policy drop;
                ct state established,related accept
                iifname lo accept
                icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
            }}
            chain out {{
                type filter hook output priority 0; policy drop;
                oifname lo accept
                icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
                {out}
            }}
        }}"
    );
    host.run("nft", &[&rules])?;
    Ok(())
}

/// The firewall of `lan.a` is what it says: of two connections to the same port only the one that begins like TLS gets
/// anything across.
fn lets_out_tls_alone(lan: &Lan) -> Outcome {
    const OTHER: &str = "10.77.0.98";
    lan.server.run("ip", &["address", "add", &format!("{OTHER}/32"), "dev", "br0"])?;
    let listener = lan.server.within(|| TcpListener::bind((OTHER, HTTPS)))??;
    let connect = || Ok::<_, Failure>((TcpStream::connect((OTHER, HTTPS))?, TcpStream::connect((OTHER, HTTPS))?));
    let (mut plain, mut tls) = lan.a.within(connect)??;
    let (mut plain_there, mut tls_there) = (listener.accept()?.0, listener.accept()?.0);
    plain.write_all(&[b'G'; 100])?;
    tls.write_all(&[&[0x16, 0x03, 0x01][..], &[0; 97]].concat())?;
    tls_there.set_read_timeout(Some(PATIENCE))?;
    tls_there.read_exact(&mut [0; 100])?;
    plain_there.set_nonblocking(true)?;
    let read = plain_there.read(&mut [0; 100]);
    ensure!(matches!(&read, Err(error) if error.kind() == ErrorKind::WouldBlock), "not TLS, and it passed: {read:?}");
    Ok(())
}
