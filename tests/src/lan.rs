//! Machines on a network: namespaces joined by a bridge. Needs root.

use std::fs::File;
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
            ip(&["netns", "add", host.name()])?;
            host.run("ip", &["link", "set", "lo", "up"])?;
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

impl Lan {
    /// A machine behind `router`, one of the two, which becomes a router that gives every conversation a port of its own and
    /// lets in only answers (RFC 4787: address and port-dependent mapping and filtering).
    ///
    /// # Errors
    /// When the system refuses.
    pub fn behind(&self, router: &Host, net: u8) -> Outcome<Behind> {
        let name = format!("{}-inside", router.name());
        ip(&["netns", "add", &name])?;
        let behind = Behind(Host::of_namespace(&name));
        let (near, gateway) = (router.name(), format!("192.168.{net}.1"));
        ip(&["link", "add", "inside", "netns", near, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
        router.run("ip", &["address", "add", &format!("{gateway}/24"), "dev", "inside"])?;
        router.run("ip", &["link", "set", "inside", "up"])?;
        router.run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"])?;
        router.run(
            "nft",
            &["table ip eyeline_nat {
            chain out { type nat hook postrouting priority 100; oifname eth0 masquerade fully-random; }
            chain through { type filter hook forward priority 0; iifname eth0 ct state new drop; }
        }"],
        )?;
        behind.0.run("ip", &["link", "set", "lo", "up"])?;
        behind.0.run("ip", &["address", "add", &format!("192.168.{net}.2/24"), "dev", "eth0"])?;
        behind.0.run("ip", &["link", "set", "eth0", "up"])?;
        behind.0.run("ip", &["route", "add", "default", "via", &gateway])?;
        Ok(behind)
    }
}

/// A machine behind a router; gone when this is.
pub struct Behind(Host);

impl Behind {
    /// The machine.
    pub fn host(&self) -> &Host {
        &self.0
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        ip(&["netns", "delete", self.0.name()]).ok();
    }
}

impl Host {
    fn name(&self) -> &str {
        self.namespace.as_deref().unwrap_or("")
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
            ip(&["netns", "delete", host.name()]).ok();
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
