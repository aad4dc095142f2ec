//! What a network between two machines does with UDP, found out as RFC 5780 does: by asking from one place in several.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::lan::{Host, Lan};
use crate::nat::{Behaviour, Depends};
use crate::{Failure, Outcome, ensure};

/// The second address that the server's machine needs for it.
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 99);
/// How long a datagram may take that is sure to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sockets on the server's machine: two ports of one address, and one of another.
pub struct Probe {
    first: UdpSocket,
    other_port: UdpSocket,
    other_address: UdpSocket,
}

impl Probe {
    /// Gives the server's machine another address, and opens sockets on both.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(lan: &Lan) -> Outcome<Self> {
        lan.server.run("ip", &["address", "add", &format!("{OTHER_ADDRESS}/32"), "dev", "br0"])?;
        let own: Ipv4Addr = Lan::SERVER_ADDRESS.parse()?;
        let (first, other_port, other_address) =
            lan.server.within(|| Ok::<_, Failure>((socket(own)?, socket(own)?, socket(OTHER_ADDRESS)?)))??;
        Ok(Self { first, other_port, other_address })
    }

    /// What lies between `machine` and the server.
    ///
    /// # Errors
    /// When not even answers come, or something comes that nothing was asked for.
    pub fn behaviour(&self, machine: &Host) -> Outcome<Behaviour> {
        let sockets = || Ok::<_, Failure>([(); 3].map(|()| socket(Ipv4Addr::UNSPECIFIED)));
        let [mapped, filtered, silent] = machine.within(sockets)??;
        let mapping = self.mapping(&mapped?)?;
        let filtering = self.filtering(&filtered?, &silent?)?;
        Ok(Behaviour { mapping, filtering })
    }

    /// RFC 5780 section 4.3.
    fn mapping(&self, machine: &UdpSocket) -> Outcome<Depends> {
        let first = seen(machine, &self.first)?;
        if seen(machine, &self.other_address)? == first {
            ensure!(
                seen(machine, &self.other_port)? == first,
                "another port has another mapping, another address has not"
            );
            return Ok(Depends::Endpoint);
        }
        Ok(if seen(machine, &self.other_port)? == first { Depends::Address } else { Depends::AddressAndPort })
    }

    /// RFC 5780 section 4.4. What comes last is sure to come, so nothing that was sent before is still on its way.
    fn filtering(&self, machine: &UdpSocket, silent: &UdpSocket) -> Outcome<Depends> {
        let mapped = seen(machine, &self.first)?;
        let unmapped = SocketAddr::new(mapped.ip(), silent.local_addr()?.port());
        self.first.send_to(b"unasked", unmapped)?;
        let tries = [
            (&self.other_address, Depends::Endpoint),
            (&self.other_port, Depends::Address),
            (&self.first, Depends::AddressAndPort),
        ];
        for (socket, _) in tries {
            socket.send_to(b"asked", mapped)?;
        }
        let last = self.first.local_addr()?;
        let mut came = Vec::new();
        while came.last() != Some(&last) {
            let mut buffer = [0; 16];
            came.push(machine.recv_from(&mut buffer)?.1);
        }
        silent.set_nonblocking(true)?;
        let unasked = silent.recv_from(&mut [0; 16]);
        ensure!(
            matches!(&unasked, Err(error) if error.kind() == ErrorKind::WouldBlock),
            "where nothing left something came in: {unasked:?}"
        );
        for (socket, filtering) in tries {
            if came.contains(&socket.local_addr()?) {
                return Ok(filtering);
            }
        }
        Err(Failure::new("nothing came"))
    }
}

/// The address by which `server` sees what `machine` sends it.
fn seen(machine: &UdpSocket, server: &UdpSocket) -> Outcome<SocketAddr> {
    machine.send_to(b"who am I", server.local_addr()?)?;
    let mut buffer = [0; 16];
    Ok(server.recv_from(&mut buffer).map_err(|error| Failure::new(format!("nothing reaches the server: {error}")))?.1)
}

fn socket(address: Ipv4Addr) -> Outcome<UdpSocket> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}
