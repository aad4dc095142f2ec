//! The protocol's limits, in one place. A server may be stricter where `welcome` says so; nobody may be looser.

use std::time::Duration;

/// The largest frame, and so the largest message, in bytes of JSON text.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// The largest message that carries neither a body nor a list, in bytes of JSON text.
pub const CONTROL_BYTES_MAX: usize = 4 * 1024;
/// The largest body, in characters of base64: 1 KiB under the frame, which leaves room for the rest of the message.
pub const BODY_CHARS_MAX: usize = FRAME_BYTES_MAX - 1024;
/// The highest `seq`: what a browser's number still holds exactly, 2^53 - 1.
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// From an open socket to `hello`.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// From `welcome` to the first `join`.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Between the server's WebSocket pings.
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// Silence after which either side takes the socket for dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(45);
/// The longest one write may take before the socket is given up.
pub const WRITE_STALL: Duration = Duration::from_secs(10);
/// How long a member without a socket keeps its place.
pub const RESUME_WINDOW: Duration = Duration::from_secs(60);

/// Frames waiting for one socket; one more closes the socket (the member stays and may resume). More than twice
/// [`WATCH_MAX`]: when a list is watched, all of it may be open, and is told at once.
pub const OUTBOUND_FRAMES_MAX: usize = 640;
/// Bytes waiting for one socket; more closes the socket (the member stays and may resume).
pub const OUTBOUND_BYTES_MAX: usize = 256 * 1024;
/// Messages to one member that it has not acknowledged; one more and the member is gone.
pub const UNACKED_FRAMES_MAX: usize = 512;
/// Bytes of bodies to one member that it has not acknowledged; more and the member is gone.
pub const UNACKED_BYTES_MAX: usize = 1024 * 1024;

/// Messages a connection may send in the long run, per second.
pub const RATE_PER_S: u32 = 20;
/// Messages a connection may send at once.
pub const RATE_BURST: u32 = 60;
/// New connections from one address (IPv6: one /64), per minute.
pub const CONNECTIONS_PER_MIN: u32 = 20;
/// Open connections from one address (IPv6: one /64).
pub const CONNECTIONS_OPEN_MAX: u32 = 64;
/// Members of a room, unless the server is set up otherwise.
pub const ROOM_MEMBERS: usize = 8;
/// The most members a room can be set up for.
pub const ROOM_MEMBERS_MAX: usize = 16;

/// How long a nameplate waits to be claimed.
pub const CODE_TTL: Duration = Duration::from_secs(10 * 60);
/// Nameplates that one connection may open, one after the other; one more fails.
pub const CODES_PER_CONNECTION: u32 = 4;
/// How long a nameplate that was claimed, given up or has expired is not given out again: whoever mistypes a code, or
/// reads an old one, is not to meet somebody else.
pub const NAMEPLATE_REST: Duration = Duration::from_secs(60);
/// Claims that one address (IPv6: one /64) may make in vain per [`CLAIM_WINDOW`]. A claim is in vain until the one who
/// opened the nameplate says otherwise.
pub const CLAIMS_MAX: usize = 10;
/// For how long a claim in vain counts.
pub const CLAIM_WINDOW: Duration = Duration::from_secs(30 * 60);

/// The largest body of a ring or of its answer, in characters of base64.
pub const RING_BODY_CHARS_MAX: usize = 8 * 1024;
/// How long a ring waits for its answer.
pub const RING_TTL: Duration = Duration::from_secs(60);
/// Rings per minute from one connection, which may also come at once; one more fails.
pub const RINGS_PER_MIN: u32 = 6;
/// Rings per minute to one inbox, which may also come at once; one more fails.
pub const INBOX_RINGS_PER_MIN: u32 = 30;
/// Rings of one inbox that wait for their answer at the same time; one more fails.
pub const INBOX_RINGS_OPEN_MAX: usize = 8;
/// Contacts that may ring one inbox; a longer list is refused as a whole.
pub const INBOX_TOKENS_MAX: usize = 512;
/// Inboxes that one connection watches; a longer list is refused as a whole.
pub const WATCH_MAX: usize = 256;

/// How long credentials for the relay are good; renewed with `ice_refresh` while joined.
pub const RELAY_CREDENTIAL_TTL: Duration = Duration::from_secs(300);
/// The longest an allocation at the relay lives without a refresh.
pub const RELAY_LIFETIME_MAX: Duration = Duration::from_secs(600);
/// Allocations at the relay at a time, per join.
pub const RELAY_ALLOCATIONS_PER_JOIN: usize = 4;

const _: () = assert!(OUTBOUND_FRAMES_MAX > 2 * WATCH_MAX);
