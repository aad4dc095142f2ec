//! Eyeline's signaling server: rooms in which clients exchange sealed bodies until they have found a direct way to each
//! other (`docs/protocol.md`). It knows room ids and opaque member ids, and nothing of what is said.
//!
//! ```text
//! TCP -> accept loop (serve) -> Router: GET /ws, /j, /healthz
//!                                  `-> socket task (socket) --ToHub--> hub task, owner of Rooms
//!                                           ^------ Outbox <--------------'
//! ```
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
mod config;
mod hub;
mod outbox;
mod page;
mod rate;
pub mod rooms;
mod router;
mod serve;
mod socket;

pub use config::ServerConfig;
pub use serve::{ServerHandle, serve};
