//! Eyeline's signaling server: rooms in which clients exchange sealed bodies until they have found a direct way to each
//! other, nameplates at which two meet who share a spoken code, and inboxes in which contacts ring (`docs/protocol.md`).
//! It knows opaque ids, and nothing of what is said.
//!
//! ```text
//! TCP -> accept loops (serve) -> front: what does it speak?
//!          |- HTTP, inside TLS or not -> Router: GET /ws, /j, /healthz, /readyz
//!          |                               `-> socket task (socket) --ToHub--> hub task, owner of Rooms
//!          |                                        ^------ Outbox <--------------'
//!          `- STUN, inside TLS or not -> relay
//! UDP -------------------------------> relay
//! ```
//!
//! With the feature `public` it also speaks TLS and gets certificates ([`tls`]), and there is the program `eyeline-server`.
//!
//! As a library it runs inside the desktop app:
//!
//! ```no_run
//! # async fn host() -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await?;
//! let server = eyeline_server::serve(listener, eyeline_server::ServerConfig::default())?;
//! println!("listening on {}", server.local_addr());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod admission;
mod codes;
mod config;
mod dice;
mod front;
mod hub;
mod inboxes;
mod metrics;
mod origin;
mod outbox;
mod pace;
mod page;
mod rate;
mod reading;
mod reception;
pub mod relay;
pub mod rooms;
mod router;
mod serve;
mod socket;
mod timers;
#[cfg(feature = "public")]
pub mod tls;

pub use config::ServerConfig;
pub use front::Door;
pub use serve::{Server, ServerHandle, serve};
