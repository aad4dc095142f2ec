//! What crosses the signaling socket: ids, messages, their JSON form and its limits. The normative text is
//! `docs/protocol.md`; a test parses every example in it.
//!
//! No clock, no sockets: [`wire::decode_client`] and [`wire::decode_server`] turn text into messages, [`wire::encode`]
//! turns them back.

mod error_code;
mod ids;
pub mod inner;
pub mod limits;
mod message;
pub mod wire;

pub use error_code::ErrorCode;
pub use ids::{IdError, InboxId, InboxSecret, MemberId, ResumeToken, RingId, RingRef, RingToken, RoomId, TokenHash};
pub use message::{ClientMessage, Grant, IceConfig, LeftReason, Limits, Resumed, ServerMessage, Watched};

/// The protocol's version, as `hello` carries it.
pub const VERSION: u32 = 1;
/// The WebSocket subprotocol both sides must agree on.
pub const SUBPROTOCOL: &str = "eyeline.v1";
/// The path of the signaling socket under the server's address.
pub const SOCKET_PATH: &str = "/ws";
/// The path of an invitation link under the server's address.
pub const LINK_PATH: &str = "/j";
/// In `welcome.features`: the server has nameplates for spoken codes.
pub const FEATURE_CODES: &str = "codes";
/// In `welcome.features`: the server has inboxes, rings and presence.
pub const FEATURE_INBOX: &str = "inbox";
