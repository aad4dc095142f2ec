//! What the server never sees: the secret in a link, the sessions that come of it, who is at the other end.
//!
//! Pure: no clock, no sockets; time and randomness are handed in by the caller.
//!
//! ```
//! use eyeline_protocol::MemberId;
//! use eyeline_seal::{Client, Identity, Initiator, Link, LocalCard, PairIds, Responder, RoomKeys};
//!
//! let link = Link::new("https://calls.example.org", [7; 16])?;
//! let keys = RoomKeys::derive(link.secret());
//! let ids = PairIds { initiator: MemberId::new("b")?, responder: MemberId::new("a")? };
//! let (ann, bob) = (Identity::generate([1; 64], 1_800_000_000), Identity::generate([2; 64], 1_800_000_000));
//! let card = |name| LocalCard::new(name, Client::Desktop, ["sas"]);
//!
//! // "random" is 64 random bytes each.
//! let (mut bob, first) = Initiator::start(&keys, &ids, &bob, &card("Bob"), [3; 64]);
//! let (mut ann, second) = Responder::accept(&keys, &ids, &ann, &card("Ann"), [4; 64], &first)?;
//! let (third, mut bob) = bob.read(&second)?;
//! let mut ann = ann.finish(&third)?;
//!
//! assert_eq!((ann.peer().name.as_str(), bob.peer().name.as_str()), ("Bob", "Ann"));
//! let body = bob.seal(3, b"hello")?;
//! assert_eq!(ann.open(3, &body)?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod card;
mod code;
mod envelope;
mod identity;
mod keys;
mod link;
mod noise;
mod pair;
mod ring;
pub mod sas;
pub mod sdp;
mod server;
mod session;
mod spoken;
#[cfg(test)]
mod testing;
mod text;

pub use card::{
    CAPABILITIES_MAX, CAPABILITY_BYTES_MAX, CardError, Client, LocalCard, NAME_CHARS_MAX, PeerCard, clean_name,
};
pub use code::{CodeError, CodeGuest, CodeHost, GuestStep};
pub use envelope::{Body, Kind, OpenError, PLAINTEXT_BYTES_MAX, SealError, kind};
pub use identity::{
    DeviceId, DeviceKey, Identity, KeyError, KeySignature, NOISE_KEY_LIFE_S, NoiseKey, NoisePublic, inbox_id,
    inbox_owner_secret,
};
pub use keys::{RoomKeys, Secret};
pub use link::{Link, LinkError};
pub use pair::{Initiator, PairError, PairIds, Responder};
pub use ring::{
    IncomingRing, RING_AGE_MAX_S, RINGS_MAX, RINGS_PER_CALLER_MAX, ReplayCache, RingAnswer, RingCaller, RingError,
    RingOffer, RingTo,
};
pub use server::{Scheme, Server};
pub use session::{BindRole, Session};
pub use spoken::{SpokenCode, SpokenError, WORD_COUNT, complete, words};
