//! Nameplates for spoken codes, and how often one may guess at them.

mod claims;
mod nameplates;

pub use claims::Origin;
pub(crate) use claims::{Claim, Claimant, Claims};
pub(crate) use nameplates::{Nameplates, NoneFree, RendezvousId};
