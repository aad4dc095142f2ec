//! What a datagram is, by its first bytes (RFC 7983, RFC 6347 section 4.1).

/// Length of a DTLS record's header.
const RECORD_HEADER: usize = 13;
const CLIENT_HELLO: u8 = 1;

/// What a datagram of the handshake holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshaking {
    /// A ClientHello comes first.
    ClientHello,
    /// Something of it is encrypted, which only Finished is.
    Encrypted,
    Plain,
}

/// Kinds of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datagram {
    Handshake(Handshaking),
    /// DTLS with data: the control channel.
    Data,
    Alert,
    /// SRTP or SRTCP.
    Media,
    /// STUN, TURN, or nothing known.
    Other,
}

impl Datagram {
    pub(super) fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(20 | 22) => Self::Handshake(Handshaking::of(datagram)),
            Some(21) => Self::Alert,
            Some(23) => Self::Data,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

impl Handshaking {
    fn of(datagram: &[u8]) -> Self {
        let (mut rest, mut first) = (datagram, true);
        while let Some((header, body)) = rest.split_first_chunk::<RECORD_HEADER>() {
            let [kind, _, _, epoch_high, epoch_low, .., len_high, len_low] = *header;
            if kind == 22 && [epoch_high, epoch_low] != [0, 0] {
                return Self::Encrypted;
            }
            if first && kind == 22 && body.first() == Some(&CLIENT_HELLO) {
                return Self::ClientHello;
            }
            first = false;
            rest = body.get(usize::from(u16::from_be_bytes([len_high, len_low]))..).unwrap_or_default();
        }
        Self::Plain
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! Datagrams with little behind their headers.

    pub(in super::super) const CLIENT_HELLO: &[u8] = &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0];
    pub(in super::super) const SERVER_HELLO: &[u8] = &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0];
    /// ChangeCipherSpec, and Finished as the first record of the next epoch.
    pub(in super::super) const FINISHED: &[u8] = &[
        20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, //
        22, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 77,
    ];
    pub(in super::super) const DATA: &[u8] = &[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 9];
    pub(in super::super) const MEDIA: &[u8] = &[0x80, 96, 0, 1];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_told_apart_and_cut_ones_do_no_harm() {
        assert_eq!(Datagram::of(samples::CLIENT_HELLO), Datagram::Handshake(Handshaking::ClientHello));
        assert_eq!(Datagram::of(samples::SERVER_HELLO), Datagram::Handshake(Handshaking::Plain));
        assert_eq!(Datagram::of(samples::FINISHED), Datagram::Handshake(Handshaking::Encrypted));
        assert_eq!(Datagram::of(samples::DATA), Datagram::Data);
        assert_eq!(Datagram::of(samples::MEDIA), Datagram::Media);
        assert_eq!(Datagram::of(&[21, 254, 253]), Datagram::Alert);
        assert_eq!(Datagram::of(&[0, 1, 0, 0]), Datagram::Other);
        assert_eq!(Datagram::of(&[]), Datagram::Other);
        for whole in [samples::CLIENT_HELLO, samples::FINISHED] {
            for len in 1..whole.len() {
                assert!(matches!(Datagram::of(&whole[..len]), Datagram::Handshake(_)));
            }
        }
    }
}
