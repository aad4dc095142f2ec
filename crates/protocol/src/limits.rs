//! The protocol's limits, in one place. A server may be stricter where `welcome` says so; nobody may be looser.

use std::time::Duration;

/// The largest frame, and so the largest message, in bytes of JSON text.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// The largest message that carries no body (everything but `send` and `from`), in bytes of JSON text.
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

/// Frames waiting for one socket; one more closes the socket (the member stays and may resume).
pub const OUTBOUND_FRAMES_MAX: usize = 128;
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
