//! TURN over TCP (RFC 8656, section 3.1) in front of a relay that speaks UDP alone.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use crate::Outcome;
use crate::lan::Host;

const DATAGRAM_BYTES_MAX: usize = 1 << 16;

/// Starts it at an address of `host`, before a relay on the same machine; it ends with the test's process. Returns the URL
/// by which clients are told of it.
///
/// # Errors
/// When the system refuses.
pub fn start(host: &Host, own: Ipv4Addr, relay: SocketAddr) -> Outcome<String> {
    let address = host.within(|| -> io::Result<_> {
        let listener = TcpListener::bind((own, 0))?;
        let address = listener.local_addr()?;
        // What a thread of the namespace starts is in it too.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                serve(client, own, relay).ok();
            }
        });
        Ok(address)
    })??;
    Ok(format!("turn:{address}?transport=tcp"))
}

fn serve(mut client: TcpStream, own: Ipv4Addr, relay: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let udp = UdpSocket::bind((own, 0))?;
    udp.connect(relay)?;
    let (mut to_client, from_relay) = (client.try_clone()?, udp.try_clone()?);
    thread::spawn(move || {
        while let Ok(message) = read(&mut client) {
            udp.send(&message).ok();
        }
    });
    thread::spawn(move || {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while let Ok(length) = from_relay.recv(&mut buffer) {
            // Up to three bytes of padding, whatever they are.
            if to_client.write_all(&buffer[..length.next_multiple_of(4)]).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// The next message, without its padding.
fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 4];
    stream.read_exact(&mut message)?;
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    let (rest, padding) = match message[0] >> 6 {
        0 => (16 + length, 0),
        1 => (length, length.next_multiple_of(4) - length),
        _ => return Err(ErrorKind::InvalidData.into()),
    };
    message.resize(4 + rest + padding, 0);
    stream.read_exact(&mut message[4..])?;
    message.truncate(4 + rest);
    Ok(message)
}
