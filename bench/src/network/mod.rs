//! Two machines joined by an emulated link, and a server's machine that each reaches on a way of its own.
//!
//! ```text
//!   a  10.80.0.1 ---- TUN ---- emulator ---- TUN ---- 10.80.0.2  b
//!    \ 10.81.1.2                                  10.81.2.2     /
//!     \---- veth ---- server's machine, 10.81.0.1 ---- veth ---/      (forwards nothing)
//! ```
//!
//! Signaling so takes no part in what the link does to the media, for either system alike: "first picture" compares how media
//! is set up. The ways to the server cannot reach each other, so that no media takes them.

pub(crate) mod check;
pub(crate) mod emulator;
mod tun;

use std::process::{self, Command};

use eyeline_tests::Outcome;
use eyeline_tests::lan::{Host, Lan};
use eyeline_tests::process::run;

/// The machines. They are gone when this is dropped.
pub(crate) struct Network {
    /// The server's.
    pub(crate) server: Host,
    /// The sender's, in one-way calls.
    pub(crate) a: Host,
    /// The receiver's.
    pub(crate) b: Host,
    names: [String; 3],
}

/// Name of the TUN device on either side.
const DEVICE: &str = "call0";
/// Addresses of a and b on the link.
pub(crate) const LINK_ADDRESSES: [&str; 2] = ["10.80.0.1", "10.80.0.2"];
/// The address that b changes to, where the scenario says so.
pub(crate) const OTHER_ADDRESS: &str = "10.80.0.3";
/// Where the server listens.
pub(crate) const SERVER_ADDRESS: &str = "10.81.0.1";
/// How many packets may wait in the TUN device, before the emulator sees them: far more than ever should.
const DEVICE_QUEUE: &str = "2000";

impl Network {
    /// What this machine lacks for it, in words.
    pub(crate) fn lacks() -> Option<&'static str> {
        Lan::lacks()
    }

    /// Builds the machines, with nothing between a and b yet.
    pub(crate) fn build() -> Outcome<Self> {
        let names = ["s", "a", "b"].map(|letter| format!("eyeline-bench-{}-{letter}", process::id()));
        let [server, a, b] = names.each_ref().map(|name| Host::of_namespace(name));
        // Left behind by a run that was killed, if the process number came again.
        for name in &names {
            ip(&["netns", "delete", name]).ok();
        }
        let network = Self { server, a, b, names };
        for name in &network.names {
            ip(&["netns", "add", name])?;
        }
        for host in [&network.server, &network.a, &network.b] {
            host.run("sysctl", &["-q", "-w", "net.ipv6.conf.all.disable_ipv6=1"])?;
            host.run("ip", &["link", "set", "lo", "up"])?;
        }
        network.server.run("ip", &["address", "add", &format!("{SERVER_ADDRESS}/32"), "dev", "lo"])?;
        network.join_server(1)?;
        network.join_server(2)?;
        Ok(network)
    }

    fn join_server(&self, number: usize) -> Outcome {
        let host = [&self.a, &self.b][number - 1];
        let (near, far) = (&self.names[0], &self.names[number]);
        let port = format!("port{number}");
        ip(&["link", "add", &port, "netns", near, "type", "veth", "peer", "name", "eth0", "netns", far])?;
        self.server.run("ip", &["address", "add", &format!("10.81.{number}.1/30"), "dev", &port])?;
        self.server.run("ip", &["link", "set", &port, "up"])?;
        host.run("ip", &["address", "add", &format!("10.81.{number}.2/30"), "dev", "eth0"])?;
        host.run("ip", &["link", "set", "eth0", "up"])?;
        host.run("ip", &["route", "add", SERVER_ADDRESS, "via", &format!("10.81.{number}.1")])?;
        Ok(())
    }

    /// Gives b another address on the link and takes the old one away, as a change of network does.
    pub(crate) fn change_address(&self) -> Outcome {
        self.b.run("ip", &["address", "delete", &format!("{}/24", LINK_ADDRESSES[1]), "dev", DEVICE])?;
        self.b.run("ip", &["address", "add", &format!("{OTHER_ADDRESS}/24"), "dev", DEVICE]).map(drop)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&["netns", "delete", name]).ok();
        }
    }
}

fn ip(arguments: &[&str]) -> Outcome<String> {
    run(Command::new("ip").args(arguments))
}
