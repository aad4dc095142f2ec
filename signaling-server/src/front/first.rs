//! What a connection speaks, told from its first bytes, which are then given back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use crate::reading::{Read, Reading};

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// A TLS handshake record (RFC 8446 section 5.1).
    Tls,
    /// A STUN message (RFC 8489 section 5). A connection that is new has no channels, so it cannot begin with their data.
    Stun,
    /// A method, in capitals.
    Http,
    /// Anything else.
    Junk,
}

/// As far as the end of a STUN message's magic cookie.
const TELLING_BYTES: usize = 8;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What these bytes begin; `None` as long as more are needed.
fn tell(bytes: &[u8]) -> Option<First> {
    match bytes {
        [] | [0x16] => None,
        [0x16, 0x03, ..] => Some(First::Tls),
        [b'A'..=b'Z', ..] => Some(First::Http),
        [0x00..=0x3f, ..] => {
            let cookie = bytes.get(4..).unwrap_or_default();
            match STUN_COOKIE.starts_with(&cookie[..cookie.len().min(4)]) {
                true if cookie.len() >= 4 => Some(First::Stun),
                true => None,
                false => Some(First::Junk),
            }
        }
        _ => Some(First::Junk),
    }
}

/// Reads until it is clear what the other side speaks.
///
/// # Errors
/// When the stream fails or ends before.
pub(crate) async fn first<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(First, Prefixed<S>)> {
    let mut bytes = [0; TELLING_BYTES];
    let mut len = 0;
    loop {
        if let Some(first) = tell(&bytes[..len]) {
            return Ok((first, Prefixed { reading: Prefix { bytes, at: 0, len }, stream }));
        }
        match stream.read(&mut bytes[len..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => len += read,
        }
    }
}

/// A stream that gives back what was read of it already.
pub(crate) type Prefixed<S> = Read<Prefix, S>;

/// See [`Prefixed`].
pub(crate) struct Prefix {
    bytes: [u8; TELLING_BYTES],
    at: usize,
    len: usize,
}

impl Reading for Prefix {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.bytes[self.at..self.len];
        if rest.is_empty() {
            return Pin::new(stream).poll_read(cx, buf);
        }
        let taken = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..taken]);
        self.at += taken;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        for (bytes, first) in [
            (&b""[..], None),
            (b"\x16", None),
            (b"\x16\x03", Some(First::Tls)),
            (b"\x16\x03\x01\x02\x00", Some(First::Tls)),
            (b"G", Some(First::Http)),
            (b"\x00", None),
            (b"\x00\x03\x00\x08\x21\x12\xa4", None),
            (b"\x00\x03\x00\x08\x21\x12\xa4\x42", Some(First::Stun)),
            (b"\x00\x03\x00\x08\x21\x12\xa4\x43", Some(First::Junk)),
            (b"\x00\x03\x00\x08\x20", Some(First::Junk)),
            (b"\x16\x04", None),
            (b"\x16\x04\x00\x00\x00", Some(First::Junk)),
            (b"\x40\x00\x00\x04", Some(First::Junk)),
            (b"get", Some(First::Junk)),
            (b"\x80", Some(First::Junk)),
        ] {
            assert_eq!(tell(bytes), first, "{bytes:x?}");
        }
    }

    #[tokio::test]
    async fn what_was_read_is_given_back() {
        let (first, mut stream) = first(&b"GET / HTTP/1.1"[..]).await.unwrap();
        assert_eq!(first, First::Http);
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "GET / HTTP/1.1");
    }

    #[tokio::test]
    async fn a_stream_that_ends_too_early_is_an_error() {
        assert!(super::first(&b"\x00\x01"[..]).await.is_err());
    }
}
