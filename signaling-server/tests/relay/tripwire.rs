//! A network of its own for the server, in which every packet is counted that does not go to its clients. Everything has a
//! way out there: a default route over an interface that leads nowhere.

use std::net::Ipv4Addr;
use std::process::Command;

/// What [`Net::provoke`] sends.
pub(crate) const PROVOKED: u64 = 3;

/// A network namespace, removed when dropped with what is in it.
pub(crate) struct Net {
    namespace: String,
    outside: String,
    pub(crate) server_ip: Ipv4Addr,
}

impl Net {
    /// `None`, and says so, where there are no rights or programs for it.
    pub(crate) fn new() -> Option<Self> {
        let root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let programs = ["ip", "nft"].iter().all(|name| Command::new(name).arg("-V").output().is_ok());
        if !root || !programs {
            println!("skipped: needs root, ip and nft");
            return None;
        }
        let id = std::process::id();
        let [.., third, fourth] = (4 * (id % 16_000)).to_be_bytes();
        let (server_ip, client_ip) =
            (Ipv4Addr::new(10, 93, third, fourth + 1), Ipv4Addr::new(10, 93, third, fourth + 2));
        let net = Self { namespace: format!("ssrf-{id}"), outside: format!("ssrf{id}"), server_ip };
        let (namespace, outside) = (&net.namespace, &net.outside);
        run(&format!("ip netns add {namespace}"));
        run(&format!("ip link add {outside} type veth peer name inside netns {namespace}"));
        run(&format!("ip address add {client_ip}/30 dev {outside}"));
        run(&format!("ip link set {outside} up"));
        for step in [
            "link set lo up".to_owned(),
            format!("address add {server_ip}/30 dev inside"),
            "link set inside up".to_owned(),
            "link add away type veth peer name nowhere".to_owned(),
            "link set nowhere up".to_owned(),
            "address add 10.200.0.1/24 dev away".to_owned(),
            "address add fd00:7::1/64 dev away nodad".to_owned(),
            "link set away up".to_owned(),
            "route add default dev away".to_owned(),
            "-6 route add default dev away".to_owned(),
        ] {
            run(&format!("ip -n {namespace} {step}"));
        }
        // What a program sends; the kernel's own messages, of ICMP and to its neighbours, do not count.
        for rule in [
            "add table inet trip".to_owned(),
            "add counter inet trip tripped".to_owned(),
            "add chain inet trip out { type filter hook output priority 0 ; }".to_owned(),
            format!("add rule inet trip out oifname inside ip daddr {client_ip} accept"),
            "add rule inet trip out meta l4proto { tcp, udp, sctp } counter name tripped".to_owned(),
        ] {
            net.run_inside(&["nft", &rule]);
        }
        Some(net)
    }

    /// To start the server there.
    pub(crate) fn server(&self) -> Command {
        let mut command = self.inside(&[env!("CARGO_BIN_EXE_eyeline-server")]);
        command.args(["--listen", &format!("{}:0", self.server_ip)]);
        command
    }

    /// Packets that went elsewhere than to the clients.
    pub(crate) fn tripped(&self) -> u64 {
        let output = self.inside(&["nft", "list counter inet trip tripped"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).unwrap_or_else(|| panic!("no counter in {text:?}")).parse().unwrap()
    }

    /// Sends what the relay must never send: to the outside, to loopback, to an address of the host.
    pub(crate) fn provoke(&self) {
        for to in ["169.254.169.254/80", "127.0.0.1/9", "10.200.0.1/9"] {
            self.run_inside(&["bash", "-c", &format!("echo > /dev/udp/{to}")]);
        }
    }

    fn inside(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).args(words);
        command
    }

    fn run_inside(&self, words: &[&str]) {
        let status = self.inside(words).status().unwrap();
        assert!(status.success(), "{words:?}");
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // The other end of the pair goes with its namespace, though not at once.
        Command::new("ip").args(["link", "delete", &self.outside]).status().ok();
        Command::new("ip").args(["netns", "delete", &self.namespace]).status().ok();
    }
}

fn run(line: &str) {
    let mut words = line.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{line}");
}
