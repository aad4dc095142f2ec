//! One direction of a bad link, as a machine without IO: told the time, fed packets, asked which of them arrive when.
//!
//! ```text
//! enqueue -> up? -> policer -> queue (bounded) -> serialiser (rate) -> wire (loss) -> propagation + jitter -> poll
//! ```
//!
//! Everything random comes from the seed, so the same packets at the same times have the same fate in every run. The clock is a
//! [`Duration`](std::time::Duration) since any moment that the user likes, and never runs backwards.
//!
//! ```
//! use std::time::Duration;
//! use eyeline_emulator::{Link, LinkConfig};
//!
//! let ms = Duration::from_millis;
//! // 1 Mbit/s, 200 ms of queue, 50 ms on the way.
//! let config = LinkConfig { rate_bps: Some(1_000_000), propagation: ms(50), ..LinkConfig::default() };
//! let mut link = Link::new(config, 7);
//! assert!(link.enqueue(ms(0), 1_250, "packet"));
//! assert_eq!(link.poll(ms(59)), None);
//! // 10,000 bits at 1 Mbit/s are 10 ms, and then the way.
//! assert_eq!(link.next(), Some(ms(60)));
//! assert_eq!(link.poll(ms(60)), Some("packet"));
//! ```

mod config;
mod link;
mod random;

pub use config::{Bursts, LinkConfig, Policer, QueueLimit};
pub use link::{Counts, Link};
