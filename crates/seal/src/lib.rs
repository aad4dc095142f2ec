//! What the server never sees: the secret in a link, the keys that come of it, and bodies sealed with them.
//!
//! Pure: no clock, no sockets, and randomness (secrets, nonces) is handed in by the caller.
//!
//! ```
//! use eyeline_protocol::MemberId;
//! use eyeline_seal::{Link, RoomKeys, Sealer};
//!
//! let link = Link::new("https://calls.example.org", [7; 16])?;
//! let again: Link = link.to_string().parse()?;
//! let sealer = Sealer::new(&RoomKeys::derive(again.secret()));
//! let (me, you) = (MemberId::new("a")?, MemberId::new("b")?);
//! let body = sealer.seal(&me, &you, 1, b"hello", [9; 24])?; // a nonce is 24 random bytes
//! assert_eq!(sealer.open(&me, &you, 1, &body)?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod keys;
mod link;
mod server;

pub use body::{OpenError, PLAINTEXT_BYTES_MAX, SealError, Sealer};
pub use keys::{RoomKeys, Secret};
pub use link::{Link, LinkError};
pub use server::{Scheme, Server};
