//! Machines on a network: namespaces joined by a bridge. Needs root.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{self, Command};
use std::thread;

use crate::binaries::installed;
use crate::process::run;
use crate::{Failure, Outcome, Scene};

/// Where a program runs: on this machine as it is, or in a network namespace of it.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: Option<String>,
}

impl Host {
    /// This machine as it is.
    pub fn this_machine() -> Self {
        Self { namespace: None }
    }

    /// A network namespace with this name, as `ip netns` lists it.
    pub fn of_namespace(name: &str) -> Self {
        Self { namespace: Some(name.into()) }
    }

    /// A command that runs `program` there. It is the program's own process: `ip netns exec` becomes it.
    pub fn command(&self, program: &Path) -> Command {
        match &self.namespace {
            None => Command::new(program),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
        }
    }

    /// Runs a program there to its end and returns what it says.
    ///
    /// # Errors
    /// When it does not start or fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Outcome<String> {
        run(self.command(Path::new(program)).args(arguments))
    }
}

/// Three machines on one Ethernet: a server and two others, with nothing else to reach.
pub struct Lan {
    /// The server's machine, [`Lan::SERVER_ADDRESS`].
    pub server: Host,
    /// One of the two.
    pub a: Host,
    /// The other.
    pub b: Host,
}

impl Lan {
    /// Address of the server's machine.
    pub const SERVER_ADDRESS: &str = "10.77.0.1";
    /// And its other one, after [`Lan::add_ipv6`].
    pub const SERVER_ADDRESS_V6: &str = "fd77::1";

    /// What this machine lacks for a [`Lan`], in words.
    pub fn lacks() -> Option<&'static str> {
        // SAFETY: `geteuid` takes nothing and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Some("network namespaces need root");
        }
        (!installed("ip") || !installed("nft")).then_some("iproute2 or nftables is not installed")
    }

    /// Builds the network.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn build() -> Outcome<Self> {
        let host = |letter: &str| Host { namespace: Some(format!("eyeline-{}-{letter}", process::id())) };
        let lan = Self { server: host("s"), a: host("a"), b: host("b") };
        for host in lan.hosts() {
            host.make()?;
        }
        lan.server.run("ip", &["link", "add", "br0", "type", "bridge"])?;
        lan.server.run("ip", &["address", "add", &format!("{}/24", Self::SERVER_ADDRESS), "dev", "br0"])?;
        lan.server.run("ip", &["link", "set", "br0", "up"])?;
        lan.plug_in(&lan.a, "a", "10.77.0.2/24")?;
        lan.plug_in(&lan.b, "b", "10.77.0.3/24")?;
        Ok(lan)
    }

    fn hosts(&self) -> [&Host; 3] {
        [&self.server, &self.a, &self.b]
    }

    fn plug_in(&self, host: &Host, letter: &str, address: &str) -> Outcome {
        self.cable(host, letter, "eth0", address)?;
        host.run("ip", &["route", "add", "default", "via", Self::SERVER_ADDRESS])?;
        Ok(())
    }

    /// Gives those an IPv6 address that have none.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add_ipv6(&self) -> Outcome {
        for (host, interface, number) in [(&self.server, "br0", 1), (&self.a, "eth0", 2), (&self.b, "eth0", 3)] {
            // Not asked for twice: in this network nobody else has it.
            host.run("ip", &["address", "replace", &format!("fd77::{number}/64"), "dev", interface, "nodad"])?;
        }
        Ok(())
    }

    /// The server's machine gets a name: at A one for the first of these addresses, at B one for the second.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn name(&self, name: &str, addresses: [&str; 2]) -> Outcome {
        for (host, address) in [&self.a, &self.b].into_iter().zip(addresses) {
            // `ip netns exec` puts what is there in the place of what is in /etc.
            let folder = Path::new("/etc/netns").join(host.name());
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("hosts"), format!("127.0.0.1 localhost\n{address} {name}\n"))?;
        }
        Ok(())
    }

    /// From now on the two drop what comes from anybody but the server.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn part(&self) -> Outcome {
        let server = Self::SERVER_ADDRESS;
        for host in [&self.a, &self.b] {
            host.run(
                "nft",
                &[&format!(
                    "table inet eyeline_parted {{
                    chain in {{ type filter hook input priority 0; iifname eth0 ip saddr != {server} drop; }}
                    chain out {{ type filter hook output priority 0; oifname eth0 ip daddr != {server} drop; }}
                }}"
                )],
            )?;
        }
        Ok(())
    }

    /// One more cable from `host` to the Ethernet: its interface there gets `address` (with its prefix length).
    ///
    /// # Errors
    /// When the system refuses.
    pub fn cable(&self, host: &Host, port: &str, interface: &str, address: &str) -> Outcome {
        let port = format!("port-{port}");
        let (near, far) = (self.server.name(), host.name());
        ip(&["link", "add", &port, "netns", near, "type", "veth", "peer", "name", interface, "netns", far])?;
        self.server.run("ip", &["link", "set", &port, "master", "br0"])?;
        self.server.run("ip", &["link", "set", &port, "up"])?;
        host.run("ip", &["address", "add", address, "dev", interface])?;
        host.run("ip", &["link", "set", interface, "up"])?;
        Ok(())
    }
}

impl Host {
    /// Its namespace's name; empty for this machine.
    pub fn name(&self) -> &str {
        self.namespace.as_deref().unwrap_or("")
    }

    /// Makes its namespace, with nothing but a loopback.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make(&self) -> Outcome {
        ip(&["netns", "add", self.name()])?;
        self.run("ip", &["link", "set", "lo", "up"])?;
        Ok(())
    }

    /// Removes its namespace, if it is there.
    pub fn remove(&self) {
        ip(&["netns", "delete", self.name()]).ok();
    }

    /// A cable to `other`, from the interface `near` here to `far` there, with these addresses (and prefix lengths).
    ///
    /// # Errors
    /// When the system refuses.
    pub fn cable_to(&self, other: &Self, near: &str, far: &str, addresses: [&str; 2]) -> Outcome {
        ip(&["link", "add", near, "netns", self.name(), "type", "veth", "peer", "name", far, "netns", other.name()])?;
        for ((host, interface), address) in [(self, near), (other, far)].into_iter().zip(addresses) {
            host.run("ip", &["address", "add", address, "dev", interface])?;
            host.run("ip", &["link", "set", interface, "up"])?;
        }
        Ok(())
    }

    /// Runs `action` in a thread that is on this machine: sockets that it opens, and threads that it starts, stay there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn within<T: Send>(&self, action: impl FnOnce() -> T + Send) -> Outcome<T> {
        let enter = || {
            if let Some(namespace) = &self.namespace {
                let file = File::open(Path::new("/run/netns").join(namespace))?;
                // SAFETY: the descriptor is open, and only this thread is moved.
                if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(action())
        };
        let done = thread::scope(|scope| scope.spawn(enter).join());
        Ok(done.map_err(|_| Failure::new("what ran on a machine of the network panicked"))??)
    }

    /// Drops all UDP that this machine sends or gets, until the returned value is dropped.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn block_udp(&self) -> Outcome<Blocked> {
        let rules = "table inet eyeline_test {
            chain in { type filter hook input priority 0; meta l4proto udp drop; }
            chain out { type filter hook output priority 0; meta l4proto udp drop; }
        }";
        self.run("nft", &[rules])?;
        Ok(Blocked(self.clone()))
    }
}

/// UDP does not pass while this lives.
pub struct Blocked(Host);

impl Drop for Blocked {
    fn drop(&mut self) {
        self.0.run("nft", &["delete table inet eyeline_test"]).ok();
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in self.hosts() {
            host.remove();
            // Its hosts file, if it got one.
            fs::remove_dir_all(Path::new("/etc/netns").join(host.name())).ok();
        }
    }
}

fn ip(arguments: &[&str]) -> Outcome<String> {
    run(Command::new("ip").args(arguments))
}

/// A [`Lan`], or `None` after saying that the machine lacks what it needs.
///
/// # Errors
/// When building fails although nothing is lacking.
pub fn lan_or_skip(scene: &Scene) -> Outcome<Option<Lan>> {
    if let Some(lack) = Lan::lacks() {
        crate::report::skipped(scene.name(), lack);
        return Ok(None);
    }
    Lan::build().map(Some)
}
