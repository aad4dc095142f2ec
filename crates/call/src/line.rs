//! One socket to a signaling server: connecting, greeting, resuming, waiting between attempts.
//!
//! ```text
//! Idle --start--+
//!               v Opened            welcome              settle
//! Connecting --------> Greeting -------> Entering -----------> Settled
//!   ^   |                 |                |    |                |
//!   |   +-- Closed ---+   | Closed, no answer in time            | Closed
//!   |                 v   v                v    | refused        v
//!   +-- time ------- Pausing <-------------+----|----------------+
//!                                               v
//! any --hang_up--> Over <-----------------------+
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, ErrorCode, ResumeToken, Resumed, ServerMessage, VERSION, wire};

use crate::output::{SocketCommand, SocketInput};

/// How long the server may take for each answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// First pause before connecting again; doubles each time.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause before connecting again.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// A server that was never reached counts as unreachable after this long, for whoever wants to know.
const GIVE_UP: Duration = Duration::from_secs(6);
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug)]
pub(crate) enum LineEvent {
    /// The server greets. Next is what the owner came for, then [`Line::settle`].
    Welcome { resumed: Option<Resumed> },
    /// Any other message.
    Message(ServerMessage),
    /// The socket is gone; it is being opened again.
    Lost,
    /// The server was never reached.
    Unreachable,
    /// The server does not want us.
    Refused(ErrorCode),
}

/// What to do about a server that cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Say so after [`GIVE_UP`], unless it was reached once.
    Short,
    /// Go on trying.
    Endless,
}

#[derive(Debug)]
enum State {
    Idle,
    Connecting { until: Instant },
    Greeting { until: Instant },
    Entering { until: Instant },
    Settled,
    Pausing { until: Instant },
    Over,
}

/// The way to a server.
#[derive(Debug)]
pub(crate) struct Line {
    state: State,
    patience: Patience,
    started: Instant,
    /// It was settled once.
    reached: bool,
    resume: Option<ResumeToken>,
    failures: u32,
    retry_after: Option<Duration>,
    commands: VecDeque<SocketCommand>,
}

impl Line {
    /// Does nothing before [`start`](Self::start).
    pub(crate) fn new(now: Instant, patience: Patience) -> Self {
        Self {
            state: State::Idle,
            patience,
            started: now,
            reached: false,
            resume: None,
            failures: 0,
            retry_after: None,
            commands: VecDeque::new(),
        }
    }

    /// Connects.
    pub(crate) fn start(&mut self, now: Instant) {
        if matches!(self.state, State::Idle) {
            self.started = now;
            self.connect(now);
        }
    }

    /// Whether messages leave right now.
    pub(crate) fn settled(&self) -> bool {
        matches!(self.state, State::Settled)
    }

    /// Whether the server greeted and waits for what we came for.
    pub(crate) fn entering(&self) -> bool {
        matches!(self.state, State::Entering { .. })
    }

    pub(crate) fn poll_command(&mut self) -> Option<SocketCommand> {
        self.commands.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Connecting { until }
            | State::Greeting { until }
            | State::Entering { until }
            | State::Pausing { until } => Some(*until),
            State::Idle | State::Settled | State::Over => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<LineEvent> {
        match &self.state {
            State::Pausing { until } if now >= *until => {
                self.connect(now);
                None
            }
            State::Connecting { until } | State::Greeting { until } | State::Entering { until } if now >= *until => {
                self.commands.push_back(SocketCommand::Close);
                self.lost(now)
            }
            State::Connecting { .. }
            | State::Greeting { .. }
            | State::Entering { .. }
            | State::Pausing { .. }
            | State::Idle
            | State::Settled
            | State::Over => None,
        }
    }

    /// Takes what the socket did. Frames that are no message are ignored: the server is not trusted to be sane.
    pub(crate) fn handle(&mut self, now: Instant, input: SocketInput) -> Option<LineEvent> {
        if matches!(self.state, State::Idle | State::Over) {
            // Of a socket that we want nothing of any more.
            return None;
        }
        match input {
            SocketInput::Opened => {
                if matches!(self.state, State::Connecting { .. }) {
                    self.state = State::Greeting { until: now + ANSWER_TIMEOUT };
                    self.send(&ClientMessage::Hello { v: VERSION, resume: self.resume.clone() });
                }
                None
            }
            SocketInput::Closed => self.lost(now),
            SocketInput::NetworkChanged => {
                // What failed before may work now.
                if matches!(self.state, State::Pausing { .. }) {
                    self.failures = 0;
                    self.connect(now);
                }
                None
            }
            SocketInput::Frame(frame) => {
                let message = wire::decode_server(&frame).ok()?;
                self.handle_message(now, message)
            }
        }
    }

    /// What we came for was granted.
    pub(crate) fn settle(&mut self) {
        self.state = State::Settled;
        self.reached = true;
        self.failures = 0;
    }

    pub(crate) fn send(&mut self, message: &ClientMessage) {
        self.send_frame(wire::encode(message));
    }

    pub(crate) fn send_frame(&mut self, frame: String) {
        self.commands.push_back(SocketCommand::Send(frame));
    }

    /// Leaves for good, after what was sent before.
    pub(crate) fn hang_up(&mut self) {
        match self.state {
            State::Over => return,
            State::Settled | State::Entering { .. } => self.send(&ClientMessage::Bye),
            State::Idle | State::Connecting { .. } | State::Greeting { .. } | State::Pausing { .. } => {}
        }
        let idle = matches!(self.state, State::Idle);
        self.state = State::Over;
        if !idle {
            self.commands.push_back(SocketCommand::Close);
        }
    }

    fn connect(&mut self, now: Instant) {
        self.state = State::Connecting { until: now + ANSWER_TIMEOUT };
        self.commands.push_back(SocketCommand::Connect);
    }

    fn lost(&mut self, now: Instant) -> Option<LineEvent> {
        let was_settled = self.settled();
        if matches!(self.state, State::Idle | State::Over | State::Pausing { .. }) {
            return None;
        }
        let give_up = self.patience == Patience::Short && !self.reached;
        if give_up && now.saturating_duration_since(self.started) >= GIVE_UP {
            self.state = State::Over;
            return Some(LineEvent::Unreachable);
        }
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures += 1;
        self.state = State::Pausing { until: now + self.retry_after.take().unwrap_or(pause) };
        was_settled.then_some(LineEvent::Lost)
    }

    fn handle_message(&mut self, now: Instant, message: ServerMessage) -> Option<LineEvent> {
        match message {
            ServerMessage::Welcome { resume_token, resumed, .. } => {
                if !matches!(self.state, State::Greeting { .. }) {
                    return None;
                }
                let asked = self.resume.replace(resume_token).is_some();
                self.state = State::Entering { until: now + ANSWER_TIMEOUT };
                Some(LineEvent::Welcome { resumed: resumed.filter(|_| asked) })
            }
            ServerMessage::GoingAway { retry_after_ms } => {
                self.retry_after = Some(retry_delay(retry_after_ms));
                None
            }
            ServerMessage::Error { code, retry_after_ms, .. } => self.handle_error(code, retry_after_ms),
            other => Some(LineEvent::Message(other)),
        }
    }

    fn handle_error(&mut self, code: ErrorCode, retry_after_ms: Option<u64>) -> Option<LineEvent> {
        self.retry_after = retry_after_ms.map(retry_delay).or(self.retry_after);
        let entering = matches!(self.state, State::Greeting { .. } | State::Entering { .. });
        // Where waiting helps, the server says how long; where it does not say, it will answer the same again.
        if entering && retry_after_ms.is_none() && !self.reached {
            self.state = State::Over;
            self.commands.push_back(SocketCommand::Close);
            return Some(LineEvent::Refused(code));
        }
        None
    }
}

/// A wait asked for by the server, within reason.
fn retry_delay(ms: u64) -> Duration {
    Duration::from_millis(ms).min(RETRY_AFTER_MAX)
}
