//! How a test fails: in words, with the end of the logs.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// What went wrong, for a person to read. `Debug` prints the text itself, since that is what a failing test shows.
pub struct Failure(String);

/// What rig functions and tests return.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(25);

impl Failure {
    /// A failure in these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// The same failure with words in front.
    #[must_use]
    pub fn while_doing(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }

    /// The same failure with more text below.
    #[must_use]
    pub fn with(self, more: &str) -> Self {
        Self(format!("{}\n{more}", self.0))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Returns a [`Failure`](crate::Failure) in these words unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err($crate::Failure::new(format!($($words)+)));
        }
    };
}

/// Looks until `look` sees something, fails, or `limit` is over.
///
/// # Errors
/// What `look` failed with, or that `what` was waited for in vain.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look().map_err(|failure| failure.while_doing(&format!("waiting for {what}")))? {
            return Ok(found);
        }
        if Instant::now() >= until {
            return Err(Failure::new(format!("waited {limit:?} in vain for {what}")));
        }
        thread::sleep(LOOK_EVERY);
    }
}
