//! A browser page as a member of a room: its plain session descriptions and candidates go out sealed, and the other way.

use std::time::{Duration, Instant};

use eyeline_protocol::MemberId;
use eyeline_protocol::inner::{Bytes32, Inner, SessionId};
use eyeline_seal::{BindRole, sdp};
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
    /// Fingerprints of the page and of the peer, by their descriptions, and the page's role.
    fingerprints: [Option<[u8; 32]>; 2],
    role: BindRole,
    /// The proof that the peer must give the page.
    expected: Option<String>,
}

impl Bridge {
    /// Prepares the page to send and receive `codec`, a MIME type like `video/VP9`, in this room.
    ///
    /// # Errors
    /// When the page cannot.
    pub async fn new(mut browser: Browser, room: RoomClient, codec: &str) -> Outcome<Self> {
        browser.evaluate(&format!("open_connection({})", json!(codec))).await?;
        let peer = room.members.first().cloned();
        Ok(Self {
            browser,
            room,
            peer,
            session: SessionId::from_random(0x0e1e_71e5),
            epoch: 0,
            fingerprints: [None, None],
            role: BindRole::Answerer,
            expected: None,
        })
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

    /// The proof that the peer must have given the page over the connection, once both descriptions are known.
    #[must_use]
    pub fn expected_bind(&self) -> Option<&str> {
        self.expected.as_deref()
    }

    /// Notes a description; when both are known, tells the page its proof.
    async fn note(&mut self, whose: usize, sdp: &str) -> Outcome {
        self.fingerprints[whose] = Some(sdp::check(sdp)?.fingerprint);
        let ([Some(page), Some(peer)], None) = (self.fingerprints, &self.expected) else { return Ok(()) };
        let session = self.peer.as_ref().and_then(|peer| self.room.session(peer));
        let Some(session) = session else { return Err(Failure::new("no session with the peer")) };
        let (offerer, answerer) = match self.role {
            BindRole::Offerer => (page, peer),
            BindRole::Answerer => (peer, page),
        };
        let proof = |role| String::from(Bytes32(session.bind_mac(role, &offerer, &answerer)));
        let (ours, theirs) = (proof(self.role), proof(self.role.other()));
        self.expected = Some(theirs);
        self.browser.evaluate(&format!("bind_with({})", json!(ours))).await.map(drop)
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
            Some("offer") => {
                self.role = BindRole::Offerer;
                self.note(0, &text("sdp")).await?;
                Inner::Offer { session, epoch, sdp: text("sdp") }
            }
            Some("answer") => {
                self.note(0, &text("sdp")).await?;
                Inner::Answer { session, epoch, sdp: text("sdp") }
            }
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
                self.note(1, &sdp).await?;
                json!({ "type": "offer", "sdp": sdp })
            }
            Inner::Answer { sdp, .. } => {
                self.note(1, &sdp).await?;
                json!({ "type": "answer", "sdp": sdp })
            }
            Inner::Candidate { candidate, .. } => {
                json!({ "type": "candidate", "candidate": serde_json::from_str::<Value>(&candidate)? })
            }
            Inner::Bye { .. } => json!({ "type": "bye" }),
            Inner::Busy { .. } => return Err(Failure::new("the peer says that it is busy")),
            // The page knows nothing of the rest.
            _ => return Ok(()),
        };
        self.browser.evaluate(&format!("hear_signal({signal})")).await.map(|_| ())
    }
}
