//! What the rooms ask of the sockets.

use eyeline_protocol::{MemberId, RoomId, ServerMessage};

/// One open socket, as the driver numbers them; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// What is to be done to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write a message.
    Send {
        /// To which socket.
        conn: ConnId,
        /// What.
        message: ServerMessage,
        /// Whether it is sent again after a resume; such frames do not count against the outbound queue, whose limit
        /// is for what a slow reader lets pile up.
        replay: bool,
    },
    /// Write a message with servers for connectivity checks and relaying in it, which the driver knows.
    Ice {
        /// To which socket.
        conn: ConnId,
        /// In which room.
        room: RoomId,
        /// Which member.
        me: MemberId,
        /// In which message.
        message: IceFor,
    },
    /// A member left a room for good.
    Left {
        /// Which one.
        member: MemberId,
    },
    /// Close it, after what was sent before. The rooms have forgotten the socket already.
    Close {
        /// Which socket.
        conn: ConnId,
        /// Why.
        why: CloseReason,
    },
}

/// The messages with servers for connectivity checks and relaying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IceFor {
    /// `joined`.
    Joined {
        /// The others in the room.
        members: Vec<MemberId>,
    },
    /// `ice`.
    Refresh,
}

/// Why a socket is closed; the code of the WebSocket close frame (RFC 6455 section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said `bye`.
    Bye,
    /// The server stops.
    GoingAway,
    /// The client broke a rule; an `error` went ahead.
    Policy,
    /// What it sends is no WebSocket (RFC 6455).
    Protocol,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A frame over the limit.
    TooLarge,
    /// A binary frame.
    Binary,
    /// It reads too slowly; it may resume.
    TooSlow,
}

impl CloseReason {
    /// The code of the close frame.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Bye => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::Policy => 1008,
            Self::TooLarge => 1009,
            Self::TooSlow => 1013,
        }
    }
}
