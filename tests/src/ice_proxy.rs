//! Stands before a signaling server and adds relays to what it tells those who join.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::Outcome;
use crate::lan::Host;

/// Starts it at an address of `host`, before a server on the same machine; it ends with the test's process. `relays` are URLs
/// (RFC 7065). Returns where it is.
///
/// # Errors
/// When the system refuses.
pub fn start(host: &Host, own: Ipv4Addr, server: SocketAddr, relays: &[String]) -> Outcome<SocketAddr> {
    let ice = json!({ "urls": relays, "user": "eve", "cred": "pass", "ttl_s": 600 });
    Ok(host.within(|| -> io::Result<_> {
        let listener = TcpListener::bind((own, 0))?;
        let address = listener.local_addr()?;
        // What a thread of the namespace starts is in it too.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                serve(client, server, ice.clone()).ok();
            }
        });
        Ok(address)
    })??)
}

fn serve(client: TcpStream, server: TcpStream, ice: Value) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Write).ok();
    });
    thread::spawn(move || {
        answer(&server, &client, &ice).ok();
        client.shutdown(Shutdown::Both).ok();
    });
    Ok(())
}

/// The HTTP head as it is, then WebSocket frames (RFC 6455, section 5.2; those of a server have no mask).
fn answer(mut server: &TcpStream, mut client: &TcpStream, ice: &Value) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(server)?);
    }
    client.write_all(&head)?;
    loop {
        let (first, second) = (byte(server)?, byte(server)?);
        let length_bytes = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = if length_bytes == 0 { usize::from(second) } else { 0 };
        for _ in 0..length_bytes {
            length = length << 8 | usize::from(byte(server)?);
        }
        let mut body = vec![0; length];
        server.read_exact(&mut body)?;
        if let Ok(mut message) = serde_json::from_slice::<Value>(&body)
            && message["type"] == "joined"
        {
            message["ice"] = ice.clone();
            body = message.to_string().into_bytes();
        }
        let length = u16::try_from(body.len()).map_err(|_| ErrorKind::InvalidData)?;
        let frame = [&[first, 126][..], &length.to_be_bytes(), &body].concat();
        let short = [&[first, u8::try_from(length).unwrap_or(0)][..], &body].concat();
        client.write_all(if length < 126 { &short } else { &frame })?;
    }
}

fn byte(mut stream: &TcpStream) -> io::Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}
