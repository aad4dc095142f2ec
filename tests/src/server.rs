//! A real signaling server.

use std::fs;
use std::time::Duration;

use crate::binaries::Binary;
use crate::lan::Host;
use crate::{Outcome, Process, Scene};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running `eyeline-server`.
pub struct Server {
    process: Process,
    host: Host,
    address: String,
    port: u16,
}

impl Server {
    /// Starts a server on loopback, on a free port.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(scene: &Scene) -> Outcome<Self> {
        Self::start_on(scene, "server", &Host::this_machine(), "127.0.0.1", 0)
    }

    /// Starts a server on an address of `host`; port 0 is a free one.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_on(scene: &Scene, name: &str, host: &Host, address: &str, port: u16) -> Outcome<Self> {
        Self::start_with(scene, name, host, (address, port), &[])
    }

    /// Starts a server with more arguments.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_with(
        scene: &Scene,
        name: &str,
        host: &Host,
        (address, port): (&str, u16),
        more: &[&str],
    ) -> Outcome<Self> {
        let port_file = scene.path(&format!("{name}.port"));
        let mut command = host.command(&Binary::Server.path()?);
        command.arg("--listen").arg(format!("{address}:{port}")).arg("--port-file").arg(&port_file).args(more);
        let mut process = Process::start(scene, name, &mut command)?;
        let port = process.wait_for("the server's port", START_LIMIT, || {
            Ok(fs::read_to_string(&port_file).ok().and_then(|text| text.trim().parse().ok()))
        })?;
        Ok(Self { process, host: host.clone(), address: address.into(), port })
    }

    /// Starts a server where this one was, under another log name.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_again(&self, scene: &Scene, name: &str) -> Outcome<Self> {
        Self::start_on(scene, name, &self.host, &self.address, self.port)
    }

    /// Ends the server as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> Outcome {
        self.process.kill()
    }

    /// Base address for `--server`.
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.address, self.port)
    }

    /// Address of its socket.
    pub fn address(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }

    /// Port of its socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
