//! How fast a connection is read. What a client sends in whole messages is counted where they are handled; what it sends in
//! pieces that never become one (empty fragments, for example) is work for the WebSocket library all the same, and shows
//! here only.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use crate::reading::{Read, Reading};

/// So many bytes at once, and so many per second in the long run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) burst: u64,
    pub(crate) per_s: u64,
}

impl Pace {
    /// How long so many bytes take at the rate of the long run.
    fn time(self, bytes: u64) -> Duration {
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(self.per_s.max(1));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// How much of a [`Pace`] is used, told the time.
#[derive(Debug)]
struct Usage {
    pace: Pace,
    /// When nothing of the burst is used any more.
    free_at: Instant,
}

impl Usage {
    /// So many bytes were read; until when the next have to wait, if they do.
    fn took(&mut self, now: Instant, bytes: u64) -> Option<Instant> {
        self.free_at = self.free_at.max(now) + self.pace.time(bytes);
        let burst = self.pace.time(self.pace.burst);
        (self.free_at.saturating_duration_since(now) > burst).then(|| self.free_at - burst)
    }
}

/// A stream that is read at most at its pace. Nothing is lost: TCP makes the other side wait.
pub(crate) type Paced<S> = Read<Pacing, S>;

/// See [`Paced`].
pub(crate) struct Pacing {
    usage: Usage,
    /// Until when reading waits. In a box, because nearly no connection ever needs one.
    wait: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, pace: Pace) -> Self {
        Self { reading: Pacing { usage: Usage { pace, free_at: Instant::now() }, wait: None }, stream }
    }
}

impl Reading for Pacing {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        let before = buf.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buf))?;
        let bytes = u64::try_from(buf.filled().len() - before).unwrap_or(u64::MAX);
        self.wait = self.usage.took(Instant::now(), bytes).map(|until| Box::pin(sleep_until(until.into())));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_read_at_once_and_the_rest_at_the_pace() {
        let begin = Instant::now();
        let mut usage = Usage { pace: Pace { burst: 4_000, per_s: 1_000 }, free_at: begin };
        for _ in 0..4 {
            assert_eq!(usage.took(begin, 1_000), None);
        }
        let mut now = begin;
        for nth in 1..10 {
            now = usage.took(now, 1_000).unwrap();
            assert_eq!(now, begin + Duration::from_secs(nth));
        }
        // Who was quiet may send a burst again, and no more than that.
        now += Duration::from_secs(3_600);
        assert_eq!(usage.took(now, 4_000), None);
        assert_eq!(usage.took(now, 500), Some(now + Duration::from_millis(500)));
    }
}
