//! TURN messages on a stream: where one ends and the next begins (RFC 8656 section 3.1 and 12.5).

use bytes::{Buf, Bytes, BytesMut};

/// First bytes of a STUN message: type, length, magic cookie, transaction id (RFC 8489 section 5).
const STUN_HEADER: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Channel number and length (RFC 8656 section 12.4).
const CHANNEL_HEADER: usize = 4;
/// A message whose relayed data nobody misses if it comes late: Send indication.
const SEND_INDICATION: u16 = 0x0016;
/// The method of connectivity checks and of asking for one's own address, in the bits of a type that name the method.
const BINDING: u16 = 0x0001;
const METHOD_BITS: u16 = 0x3eef;
const CLASS_BITS: u16 = 0x0110;

/// What is on the stream is neither STUN nor channel data, and nothing after it can be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a TURN message")]
pub(super) struct NotTurn;

/// The length of a message: of itself, and with what pads it on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Length {
    message: usize,
    on_stream: usize,
}

/// Reads the length from the first bytes; `None` while they are too few to tell.
fn measure(start: &[u8]) -> Result<Option<Length>, NotTurn> {
    let &[first, _, high, low, ref rest @ ..] = start else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    match first >> 6 {
        0 => {
            let cookie = rest.len().min(MAGIC.len());
            if !length.is_multiple_of(4) || rest[..cookie] != MAGIC[..cookie] {
                return Err(NotTurn);
            }
            let message = STUN_HEADER + length;
            Ok(Some(Length { message, on_stream: message }))
        }
        1 => {
            let message = CHANNEL_HEADER + length;
            Ok(Some(Length { message, on_stream: message.next_multiple_of(4) }))
        }
        _ => Err(NotTurn),
    }
}

/// A datagram as it goes on a stream; `None` if it is not a whole TURN message.
pub(super) fn for_stream(datagram: &[u8]) -> Option<Bytes> {
    let length = measure(datagram).ok()??;
    let mut framed = BytesMut::with_capacity(length.on_stream);
    framed.extend_from_slice(datagram.get(..length.message)?);
    framed.resize(length.on_stream, 0);
    Some(framed.freeze())
}

/// Takes the next whole message off a stream, without its padding.
pub(super) fn take(stream: &mut BytesMut) -> Result<Option<Bytes>, NotTurn> {
    let Some(length) = measure(stream)? else { return Ok(None) };
    if stream.len() < length.on_stream {
        stream.reserve(length.on_stream - stream.len());
        return Ok(None);
    }
    let message = stream.split_to(length.message).freeze();
    stream.advance(length.on_stream - length.message);
    Ok(Some(message))
}

/// Whether a datagram from a TURN server's address is part of TURN, and not the answer to a question for our own address.
pub(super) fn is_turn(datagram: &[u8]) -> bool {
    match kind(datagram) {
        Some(kind) => kind & METHOD_BITS != BINDING,
        None => measure(datagram).is_ok_and(|length| length.is_some()),
    }
}

/// Whether a message only carries data of a call, which is worth nothing once it is old.
pub(super) fn is_data(message: &[u8]) -> bool {
    kind(message).is_none_or(|kind| kind == SEND_INDICATION)
}

/// The transaction of a request; `None` for everything that expects no answer.
pub(super) fn request(message: &[u8]) -> Option<[u8; 12]> {
    kind(message).filter(|kind| kind & CLASS_BITS == 0)?;
    message.get(8..STUN_HEADER)?.try_into().ok()
}

/// Type of a STUN message, `None` for channel data and what is neither.
fn kind(message: &[u8]) -> Option<u16> {
    let &[first, second, ..] = message else { return None };
    (first >> 6 == 0 && message.get(4..8) == Some(MAGIC.as_slice())).then(|| u16::from_be_bytes([first, second]))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A STUN message of type `kind` with `body` zero bytes of attributes.
    pub(crate) fn stun(kind: u16, transaction: u8, body: u16) -> Vec<u8> {
        let head = [&kind.to_be_bytes()[..], &body.to_be_bytes(), &MAGIC, &[transaction; 12]].concat();
        [head, vec![0; usize::from(body)]].concat()
    }

    /// Channel data with `length` bytes.
    pub(crate) fn channel(length: u16) -> Vec<u8> {
        let body = (0..length).map(|n| n.to_be_bytes()[1]);
        [0x40, 0x01].into_iter().chain(length.to_be_bytes()).chain(body).collect()
    }

    #[test]
    fn messages_come_off_the_stream_as_they_were_put_on_it() {
        let sent = [stun(0x0003, 1, 8), channel(0), channel(1), channel(5), stun(0x0016, 2, 0), channel(1_200)];
        let stream: Vec<u8> = sent.iter().flat_map(|message| for_stream(message).unwrap()).collect();
        assert_eq!(stream.len() % 4, 0);
        for step in [1, 3, 7, 64, stream.len()] {
            let (mut buffer, mut got) = (BytesMut::new(), Vec::new());
            for part in stream.chunks(step) {
                buffer.extend_from_slice(part);
                while let Some(message) = take(&mut buffer).unwrap() {
                    got.push(message.to_vec());
                }
            }
            assert_eq!(got, sent, "in steps of {step}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn padding_and_what_follows_a_datagrams_message_stay_out() {
        let mut padded = channel(5);
        padded.extend([9, 9, 9]);
        assert_eq!(for_stream(&padded).unwrap().as_ref(), [channel(5), vec![0, 0, 0]].concat());
        assert_eq!(for_stream(&channel(5)[..8]), None, "cut short");
        assert_eq!(for_stream(&[0x80; 40]), None, "RTP");
        assert_eq!(for_stream(&[]), None);
    }

    #[test]
    fn what_is_not_turn_ends_the_stream() {
        for junk in [&b"HTTP/1.1 400 Bad Request"[..], &[0xff; 8], &[0, 1, 0, 3, 0x21], &[0, 1, 0, 4, 0x21, 0]] {
            let mut stream = BytesMut::from(junk);
            let first = take(&mut stream);
            // `HT` is a channel number: nothing tells it from one, and its length never comes.
            assert!(first == Err(NotTurn) || (junk[0] == b'H' && first == Ok(None)), "{junk:?}");
        }
    }

    #[test]
    fn tells_requests_and_data_apart() {
        assert_eq!(request(&stun(0x0003, 7, 0)), Some([7; 12]));
        assert_eq!(request(&stun(0x0016, 7, 0)), None, "an indication");
        assert_eq!(request(&stun(0x0103, 7, 0)), None, "an answer");
        assert_eq!(request(&channel(40)), None);
        assert!(is_data(&stun(0x0016, 7, 0)) && is_data(&channel(3)) && !is_data(&stun(0x0008, 7, 0)));
        assert!(is_turn(&stun(0x0103, 7, 0)) && is_turn(&channel(3)));
        assert!(!is_turn(&stun(0x0101, 7, 0)) && !is_turn(&stun(0x0001, 7, 0)) && !is_turn(&[0x80; 40]));
    }
}
