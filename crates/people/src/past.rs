//! A call of the past.

use std::fmt;

use crate::DeviceKey;

/// A call of the past, or an attempt at one. `Debug` shows neither name nor device.
#[derive(Clone, PartialEq, Eq)]
pub struct History {
    /// Which row it is; given when it is added.
    pub id: i64,
    /// The contact it was with. `None` for others, and once the contact is removed.
    pub device: Option<DeviceKey>,
    /// The other side's name at the time.
    pub name: String,
    /// Who began.
    pub direction: Direction,
    /// How it came about.
    pub kind: CallKind,
    /// What became of it.
    pub outcome: Outcome,
    /// When it began, unix milliseconds.
    pub started_at: i64,
    /// How long both were in it, milliseconds.
    pub duration_ms: i64,
    /// Whether the user has been shown it.
    pub seen: bool,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("id", &self.id)
            .field("contact", &self.device.is_some())
            .field("direction", &self.direction)
            .field("kind", &self.kind)
            .field("outcome", &self.outcome)
            .field("duration_ms", &self.duration_ms)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// An enum kept as one word of text.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$each])* $variant,)+
        }

        impl $name {
            /// The word it is kept and exported as.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            fn of_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                Self::of_word(value.as_str()?).ok_or(rusqlite::types::FromSqlError::InvalidType)
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.word().into())
            }
        }
    };
}

words! {
    /// Who began a call.
    Direction {
        /// The other side.
        In = "in",
        /// We.
        Out = "out",
    }
}

words! {
    /// How a call came about.
    CallKind {
        /// By a link.
        Link = "link",
        /// By a spoken code.
        Code = "code",
        /// By ringing a contact.
        Ring = "ring",
    }
}

words! {
    /// What became of a call.
    Outcome {
        /// Both were in it.
        Answered = "answered",
        /// Nobody answered.
        Missed = "missed",
        /// The one who was called said no.
        Declined = "declined",
        /// The one who was called was in another call.
        Busy = "busy",
        /// Whoever began gave up first.
        Cancelled = "cancelled",
        /// Something went wrong.
        Failed = "failed",
    }
}
