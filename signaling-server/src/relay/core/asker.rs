//! Who asks, and what those are told who do not say it.

use std::time::Duration;

use turn_types::stun::attribute::{
    AttributeStaticType as _, MessageIntegrity, Nonce, Realm, Username as UsernameAttribute,
};
use turn_types::stun::message::{IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials, Message};

use super::super::client::Client;
use super::super::credentials::{REALM, Username};
use super::super::stats::RelayRefusal;
use super::super::wire;
use super::{Core, Now};

/// The smallest request that begins something: an Allocate with its transport, unsigned.
const FIRST_REQUEST_BYTES: usize = 28;

/// Somebody with good credentials.
pub(super) struct Asker {
    pub(super) name: Username,
    pub(super) key: IntegrityKey,
    pub(super) nonce: String,
    /// How long its credentials are still good.
    pub(super) good_for: Duration,
}

impl Core {
    /// RFC 8489 section 9.2.4, with credentials that carry their own proof.
    pub(super) fn authenticate(&self, now: Now, client: &Client, request: &Message<'_>) -> Result<Asker, RelayRefusal> {
        if !request.has_attribute(MessageIntegrity::TYPE) {
            return Err(RelayRefusal::Unauthorized);
        }
        let username = request.attribute::<UsernameAttribute>().map_err(|_| RelayRefusal::BadRequest)?;
        let nonce = request.attribute::<Nonce>().map_err(|_| RelayRefusal::BadRequest)?;
        let realm = request.attribute::<Realm>().map_err(|_| RelayRefusal::BadRequest)?;
        let nonce = nonce.nonce();
        let of_allocation = self.allocations.get(&client.id).is_some_and(|allocation| allocation.nonce == nonce);
        if !of_allocation && !self.nonces.is_good(now.unix_s, &client.id, nonce) {
            return Err(RelayRefusal::StaleNonce);
        }
        let name = Username::parse(username.username()).filter(|_| realm.realm() == REALM);
        let name = name.ok_or(RelayRefusal::Unauthorized)?;
        let password = self.secret.password(username.username());
        let key = LongTermKeyCredentials::new(username.username().to_owned(), password, REALM.to_owned());
        let key = key.make_key(IntegrityAlgorithm::Sha1);
        request.validate_integrity_with_key(&key).map_err(|_| RelayRefusal::Unauthorized)?;
        let renewed = self.renewed.get(&name.user).copied().unwrap_or(0);
        let good_for = Duration::from_secs(name.expires_unix_s.max(renewed).saturating_sub(now.unix_s));
        if good_for.is_zero() {
            return Err(RelayRefusal::Unauthorized);
        }
        Ok(Asker { name, key, nonce: nonce.to_owned(), good_for })
    }

    /// Says what is needed to ask properly. Unsigned: there is no key to sign with.
    pub(super) fn refuse_stranger(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        why: RelayRefusal,
        out: &mut Vec<u8>,
    ) {
        self.stats.count_refusal(why);
        // What is needed is told to who sent as much as every client sends when it begins; so the whole packet is at most
        // half as large again as the one that it answers, and nobody gains by having it sent to somebody else.
        if why == RelayRefusal::BadRequest || request.as_bytes().len() < FIRST_REQUEST_BYTES {
            return wire::write_error(request, why.code(), &[], None, out);
        }
        let nonce = self.nonces.make(now.unix_s, &client.id);
        let nonce = Nonce::new(&nonce).expect("a nonce is 11 characters");
        let realm = Realm::new(REALM).expect("the realm is 7 characters");
        wire::write_error(request, why.code(), &[&realm, &nonce], None, out);
    }
}
