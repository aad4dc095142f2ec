//! A browser page as a member of a room: its plain session descriptions and candidates go out sealed, and the other way.

use std::time::{Duration, Instant};

use eyeline_protocol::MemberId;
use eyeline_protocol::inner::{Inner, SessionId};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::browser::Browser;
use crate::room::RoomClient;
use crate::{Failure, Outcome, ensure};

/// How long the room is listened to before the page is asked again what it has to say.
const LISTEN: Duration = Duration::from_millis(30);

/// A page in a room.
pub struct Bridge {
    /// The page.
    pub browser: Browser,
    room: RoomClient,
    peer: Option<MemberId>,
    session: SessionId,
    epoch: u32,
}

impl Bridge {
    /// Prepares the page to send and receive `codec`, a MIME type like `video/VP9`, in this room.
    ///
    /// # Errors
    /// When the page cannot.
    pub async fn new(mut browser: Browser, room: RoomClient, codec: &str) -> Outcome<Self> {
        browser.evaluate(&format!("open_connection({})", json!(codec))).await?;
        let peer = room.members.first().cloned();
        Ok(Self { browser, room, peer, session: SessionId::from_random(0x0e1e_71e5), epoch: 0 })
    }

    /// Makes the page offer to the member that was in the room before it, as newcomers do.
    ///
    /// # Errors
    /// When nobody was there or the page cannot.
    pub async fn offer(&mut self) -> Outcome {
        ensure!(self.peer.is_some(), "nobody is in the room to offer to");
        self.browser.evaluate("make_offer()").await.map(|_| ())
    }

    /// Carries messages until the page's figures are as `enough` says, and returns them.
    ///
    /// # Errors
    /// When they do not become so in time.
    pub async fn run_until(&mut self, what: &str, limit: Duration, enough: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let until = Instant::now() + limit;
        loop {
            self.carry().await?;
            let figures = self.browser.evaluate("figures()").await?;
            if enough(&figures) {
                return Ok(figures);
            }
            if Instant::now() > until {
                let log = self.browser.evaluate("page_log.join('\\n')").await?;
                let words = format!("waited {limit:?} in vain for {what}; the page has {figures:#}");
                return Err(Failure::new(words).with(&format!("--- page\n{}", log.as_str().unwrap_or(""))));
            }
        }
    }

    async fn carry(&mut self) -> Outcome {
        let said = self.browser.evaluate("take_signals()").await?;
        for signal in said.as_array().into_iter().flatten() {
            self.tell_peer(signal).await?;
        }
        if let Ok(heard) = timeout(LISTEN, self.room.hear()).await {
            let (from, inner) = heard?;
            self.tell_page(from, inner).await?;
        }
        Ok(())
    }

    async fn tell_peer(&mut self, signal: &Value) -> Outcome {
        let peer = self.peer.clone().ok_or_else(|| Failure::new("the page speaks before anybody is there"))?;
        let (session, epoch) = (self.session.clone(), self.epoch);
        let text = |field: &str| signal[field].as_str().unwrap_or("").to_owned();
        let inner = match signal["type"].as_str() {
            Some("offer") => Inner::Offer { session, epoch, sdp: text("sdp") },
            Some("answer") => Inner::Answer { session, epoch, sdp: text("sdp") },
            Some("candidate") => Inner::Candidate { session, epoch, candidate: signal["candidate"].to_string() },
            Some("candidates_end") => Inner::CandidatesEnd { session, epoch },
            _ => return Err(Failure::new(format!("the page says {signal}"))),
        };
        self.room.say(&peer, &inner).await
    }

    async fn tell_page(&mut self, from: MemberId, inner: Inner) -> Outcome {
        let signal = match inner {
            Inner::Offer { session, epoch, sdp } => {
                (self.peer, self.session, self.epoch) = (Some(from), session, epoch);
                json!({ "type": "offer", "sdp": sdp })
            }
            Inner::Answer { sdp, .. } => json!({ "type": "answer", "sdp": sdp }),
            Inner::Candidate { candidate, .. } => {
                json!({ "type": "candidate", "candidate": serde_json::from_str::<Value>(&candidate)? })
            }
            Inner::Bye { .. } => json!({ "type": "bye" }),
            Inner::Busy { .. } => return Err(Failure::new("the peer says that it is busy")),
            Inner::CandidatesEnd { .. } | Inner::Restart { .. } | Inner::Moved { .. } => return Ok(()),
        };
        self.browser.evaluate(&format!("hear_signal({signal})")).await.map(|_| ())
    }
}
