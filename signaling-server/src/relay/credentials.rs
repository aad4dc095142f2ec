//! Credentials that carry their own proof, so that nothing has to be remembered of them: user name = time at which they
//! end, and who it is; password = HMAC over the user name. It is coturn's `use-auth-secret`, so that one can be named
//! instead of this relay.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

/// The name of the protection domain (RFC 8489 section 9.2).
pub(crate) const REALM: &str = "eyeline";

/// Bytes of a [`UserId`] and of a [`GroupId`].
const ID_BYTES: usize = 12;

/// A join, as the relay knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserId([u8; ID_BYTES]);

/// A room, as the relay knows it: only allocations of one room reach each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupId([u8; ID_BYTES]);

/// What credentials are made with. A secret, so it has no `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Text of 256 random bits.
    pub(crate) fn from_random(bits: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bits))
    }

    /// The name by which the relay knows a member. Made of the member's id, so that it stays the same when credentials
    /// are renewed, but not telling it: user names cross the network in the clear.
    pub(crate) fn user(&self, member: &str) -> UserId {
        UserId(self.tag("relay user", member.as_bytes()))
    }

    /// The name by which the relay knows a room.
    pub(crate) fn group(&self, room: &[u8]) -> GroupId {
        GroupId(self.tag("relay group", room))
    }

    /// The password that goes with a user name.
    pub(crate) fn password(&self, username: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(username.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    fn tag(&self, purpose: &str, id: &[u8]) -> [u8; ID_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.update(id);
        let bytes = mac.finalize().into_bytes();
        std::array::from_fn(|at| bytes[at])
    }
}

/// What a user name says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Username {
    /// Unix time in seconds.
    pub(crate) expires_unix_s: u64,
    pub(crate) group: GroupId,
    pub(crate) user: UserId,
}

impl Username {
    /// Reads `EXPIRY:GROUP.USER`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (expiry, id) = text.split_once(':')?;
        let (group, user) = id.split_once('.')?;
        if expiry.is_empty() || !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            expires_unix_s: expiry.parse().ok()?,
            group: GroupId(id_bytes(group)?),
            user: UserId(id_bytes(user)?),
        })
    }

    /// As it stands in requests.
    pub(crate) fn text(&self) -> String {
        let (group, user) = (URL_SAFE_NO_PAD.encode(self.group.0), URL_SAFE_NO_PAD.encode(self.user.0));
        format!("{}:{group}.{user}", self.expires_unix_s)
    }
}

fn id_bytes(text: &str) -> Option<[u8; ID_BYTES]> {
    let mut bytes = [0; ID_BYTES];
    (URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == ID_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_comes_back() {
        let secret = Secret::new("north".to_owned());
        let name = Username { expires_unix_s: 1_767_225_600, group: secret.group(&[1]), user: secret.user("m") };
        assert!(Username::parse(&name.text()) == Some(name));
        for bad in
            ["", ":", "1:", "1:a.b", "x:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA", "-1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA"]
        {
            assert!(Username::parse(bad).is_none(), "{bad}");
        }
        assert!(Username::parse(&format!("{}A", name.text())).is_none());
        assert!(Username::parse("99999999999999999999:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA").is_none());
    }

    #[test]
    fn names_differ_by_secret_and_by_what_they_name() {
        let (north, south) = (Secret::new("north".to_owned()), Secret::new("south".to_owned()));
        assert!(north.user("m") == north.user("m"));
        assert!(north.user("m") != north.user("n"));
        assert!(north.user("m") != south.user("m"));
        assert!(north.group(b"m").0 != north.user("m").0);
    }

    /// `openssl dgst -sha1 -hmac north -binary | base64` over the user name, as coturn's documentation has it.
    #[test]
    fn the_password_is_what_coturn_expects() {
        let secret = Secret::new("north".to_owned());
        assert_eq!(secret.password("1767225600:mV4x"), "NQSG+Kf/C2x9l/1Bm0g+ZfUD/YQ=");
    }
}
