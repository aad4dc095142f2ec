//! What concerns people: codes, contacts, rings, verification.

use std::time::Instant;

use eyeline_call::{ClaimState, CodeClaim, ContactMessage, Input, ReachEvent, RingOut};
use eyeline_people::{CallKind, Direction, Outcome};
use eyeline_protocol::inner::ContactCard;
use eyeline_protocol::{RingRef, RingToken};
use eyeline_seal::{DeviceId, Link, NoisePublic, PeerCard, RingAnswer, RingOffer, RingTo, Server, SpokenCode, sas};

use super::{Actor, random};
use crate::active_call::{ActiveCall, Terms};
use crate::contacts::Past;
use crate::invitation::Claiming;
use crate::reaching::{Reaching, unix_s};
use crate::view::{ContactExchange, EndReason, IncomingRing, People, Reachable, RemoteIdentity, SasEmoji, Trust};
use crate::wire::Wire;

/// Somebody rings.
pub(super) struct Incoming {
    ring: RingRef,
    device: DeviceId,
    /// Made, but not accepted: it does nothing before.
    call: ActiveCall,
    shown: IncomingRing,
}

/// What two people found out about each other in the running call.
#[derive(Default)]
pub(super) struct Acquaintance {
    exchange: ContactExchange,
    /// What we gave, when we asked.
    ours: Option<ContactCard>,
    /// What they gave, when they asked.
    theirs: Option<ContactCard>,
    /// What the user said about the emoji.
    compared: Option<bool>,
    /// The newest card of the other side was taken over into the contacts.
    refreshed: bool,
}

impl Actor {
    // ---- codes

    pub(super) fn join_by_code(&mut self, server: &str, code: &str, relay_only: bool) {
        if self.call.is_some() || self.claim.is_some() {
            tracing::info!("already in a call");
            return;
        }
        let Ok(spoken) = SpokenCode::parse(code) else { return self.refuse(EndReason::BadCode) };
        let Ok(server) = Server::parse(server) else { return self.refuse(EndReason::ServerUnreachable) };
        let Some(random) = random() else { return self.refuse(EndReason::Internal) };
        self.ended = None;
        let now = Instant::now();
        let wire = Wire::new(server.websocket_url(), self.notes.clone());
        let claim = CodeClaim::new(now, &spoken, random);
        self.claim = Some(Claiming::new(now, claim, wire, spoken.to_string(), relay_only));
    }

    /// Goes on once a code was checked.
    pub(super) fn settle_claim(&mut self) {
        let Some(claim) = &self.claim else { return };
        let result = match claim.machine.state() {
            ClaimState::Claiming => return,
            ClaimState::Done(link) => Ok(link.clone()),
            ClaimState::Unknown => Err(EndReason::UnknownCode),
            ClaimState::Wrong => Err(EndReason::WrongCode),
            ClaimState::Unreachable => Err(EndReason::ServerUnreachable),
        };
        let relay_only = claim.relay_only || self.config.relay_only;
        self.claim = None;
        match result {
            Ok(link) => self.begin(&link, Terms { relay_only, ..self.terms(Direction::Out, CallKind::Code) }),
            Err(reason) => self.refuse(reason),
        }
    }

    pub(super) fn new_code(&mut self) {
        if let (Some(call), Some(random)) = (&mut self.call, random()) {
            call.offer_code(Instant::now(), random);
        }
    }

    // ---- rings

    pub(super) fn ring_contact(&mut self, id: &str) {
        let Some(contact) = self.contacts.by_id(id).cloned() else { return };
        if self.call.is_some() || self.claim.is_some() {
            return;
        }
        let (Ok(device), Some(their)) = (DeviceId::from_bytes(contact.device), &contact.their) else {
            return self.refuse(EndReason::NotReachable);
        };
        let (Some(secret), Some(call_id), Some(seed)) = (random(), random(), random()) else {
            return self.refuse(EndReason::Internal);
        };
        let Ok(link) = Link::new(&their.server, secret) else { return self.refuse(EndReason::NotReachable) };
        let to = RingTo { device, noise_key: NoisePublic(contact.noise_key), inbox_id: their.inbox_id };
        let token = RingToken(their.ring_token);
        let offer = RingOffer { call_id, link: link.clone(), sent_unix_s: unix_s() };
        let ring = RingOut::new(Instant::now(), &self.local(), &to, token, &offer, seed);
        let terms = Terms {
            with: Some((device, contact.shown_name().to_owned())),
            relay_only: self.config.relay_only || contact.relay_only,
            ..self.terms(Direction::Out, CallKind::Ring)
        };
        self.begin(&link, terms);
        if let Some(call) = &mut self.call {
            call.ring(Instant::now(), ring, id.to_owned());
        }
    }

    pub(super) fn accept_ring(&mut self, camera: bool) {
        let Some(mut incoming) = self.incoming.take() else { return };
        if self.call.is_some() {
            self.answer(&incoming.ring, RingAnswer::Busy);
            return self.remember_ring(incoming, Outcome::Missed);
        }
        self.answer(&incoming.ring, RingAnswer::Accepted);
        if let Some(mut claim) = self.claim.take() {
            claim.cancel(Instant::now());
        }
        self.ended = None;
        self.camera_on = camera;
        incoming.call.accept(Instant::now(), &self.media);
        self.begin_acquaintance();
        self.call = Some(incoming.call);
    }

    pub(super) fn decline_ring(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        self.answer(&incoming.ring, RingAnswer::Declined);
        self.remember_ring(incoming, Outcome::Declined);
    }

    fn answer(&mut self, ring: &RingRef, answer: RingAnswer) {
        if let Some(home) = self.reaching.iter_mut().find(|reaching| reaching.home) {
            home.answer(ring, answer);
        }
    }

    fn rung(&mut self, ring: RingRef, caller: &PeerCard, offer: &RingOffer) {
        if Some(offer.link.server()) != self.contacts.home.as_ref() {
            // Going there would tell a server of the caller's choice our address.
            tracing::warn!("a ring to another server than ours, refused");
            return;
        }
        self.contacts.refresh(caller);
        let Some(contact) = self.contacts.by_device(&caller.device) else { return };
        let shown = IncomingRing {
            contact: caller.device.to_string(),
            name: contact.shown_name().to_owned(),
            verified: contact.verified_at.is_some(),
            since_unix_ms: self.clock.unix_us(Instant::now()) / 1_000,
        };
        let terms = Terms {
            with: Some((caller.device, shown.name.clone())),
            accepted: false,
            relay_only: self.config.relay_only || contact.relay_only,
            ..self.terms(Direction::In, CallKind::Ring)
        };
        let Some(random) = random() else { return };
        let call = ActiveCall::new(&offer.link, random, terms, self.context(), &self.media);
        let incoming = Incoming { ring, device: caller.device, call, shown };
        if self.config.do_not_disturb {
            // The caller is told nothing, and gives up by itself.
            self.remember_ring(incoming, Outcome::Missed);
        } else if self.call.is_some() || self.incoming.is_some() {
            self.answer(&incoming.ring, RingAnswer::Busy);
            self.remember_ring(incoming, Outcome::Missed);
        } else {
            self.incoming = Some(incoming);
        }
    }

    fn remember_ring(&mut self, incoming: Incoming, outcome: Outcome) {
        self.contacts.remember(Past {
            device: Some(incoming.device),
            name: incoming.shown.name,
            direction: Direction::In,
            kind: CallKind::Ring,
            outcome,
            started_ms: incoming.shown.since_unix_ms,
            duration_ms: 0,
        });
    }

    // ---- being reachable

    /// Makes the lines to servers what the contacts and settings ask for.
    pub(super) fn reach(&mut self) {
        let servers = self.contacts.servers();
        let inbox = self.contacts.inbox();
        let home = self.contacts.home.clone();
        let local = self.local();
        let mut dropped = Vec::new();
        self.reaching.retain_mut(|reaching| {
            let wanted =
                servers.contains(&reaching.server) && reaching.home == (Some(&reaching.server) == home.as_ref());
            if !wanted {
                reaching.close();
                dropped.push((reaching.home, reaching.server.to_string()));
            }
            wanted
        });
        let left_home = dropped.iter().any(|(home, _)| *home);
        dropped.iter().for_each(|(_, server)| self.contacts.forget_online(server));
        // Nobody would say any more when such a ring is over.
        let contacts = &self.contacts;
        let may_ring = |incoming: &Incoming| contacts.by_device(&incoming.device).is_some_and(|known| !known.blocked);
        if let Some(incoming) = self.incoming.take_if(|incoming| left_home || !may_ring(incoming)) {
            self.remember_ring(incoming, Outcome::Missed);
        }
        for server in servers {
            let access = self.contacts.access(&server);
            if let Some(reaching) = self.reaching.iter_mut().find(|reaching| reaching.server == server) {
                reaching.set_access(access);
            } else if let Some(random) = random() {
                let inbox = inbox.filter(|_| home.as_ref() == Some(&server));
                self.reaching.push(Reaching::new(server, local.clone(), inbox, access, random, self.notes.clone()));
            }
        }
    }

    /// With other keys nothing of the old lines can stay.
    pub(super) fn reach_anew(&mut self) {
        for mut reaching in self.reaching.drain(..) {
            reaching.close();
        }
        self.reach();
    }

    pub(super) fn settle_reaching(&mut self) {
        let mut events = Vec::new();
        for reaching in &mut self.reaching {
            while let Some(event) = reaching.poll_event() {
                events.push((reaching.server.to_string(), event));
            }
        }
        for (server, event) in events {
            self.handle_reach(server, event);
        }
    }

    fn handle_reach(&mut self, server: String, event: ReachEvent) {
        match event {
            ReachEvent::Online => tracing::info!("reachable"),
            ReachEvent::Offline | ReachEvent::TakenOver => {
                tracing::info!("not reachable");
                self.contacts.forget_online(&server);
            }
            ReachEvent::Presence(inbox, online) => self.contacts.set_online((server, inbox), online),
            ReachEvent::Ring { ring, caller, offer } => self.rung(ring, &caller, &offer),
            ReachEvent::Cancelled(ring) => {
                if let Some(incoming) = self.incoming.take_if(|incoming| incoming.ring == ring) {
                    self.remember_ring(incoming, Outcome::Missed);
                }
            }
            ReachEvent::Refused(refusal) => tracing::warn!(%refusal, "ring refused"),
        }
    }

    // ---- the person in the call

    pub(super) fn begin_acquaintance(&mut self) {
        self.acquaintance = Acquaintance::default();
    }

    pub(super) fn settle_acquaintance(&mut self) {
        let Some(call) = &mut self.call else { return };
        let messages = call.take_contact_messages();
        let Some(peer) = call.peer().cloned() else { return };
        if !std::mem::replace(&mut self.acquaintance.refreshed, true) {
            self.contacts.refresh(&peer);
            let contact = self.contacts.by_device(&peer.device);
            let name = contact.map_or(peer.name.as_str(), |contact| contact.shown_name()).to_owned();
            if let Some(call) = &mut self.call {
                call.set_remote_name(&name);
            }
        }
        for message in messages {
            self.handle_contact(&peer, message);
        }
    }

    fn handle_contact(&mut self, peer: &PeerCard, message: ContactMessage) {
        // Only what we asked for in this call, and what was not answered yet, is agreed to.
        let asked =
            self.acquaintance.ours.as_ref().filter(|_| self.acquaintance.exchange == ContactExchange::Requested);
        match (message, asked) {
            // Both asked at once, or they agree.
            (ContactMessage::Request(theirs), Some(ours)) => {
                let ours = ours.clone();
                self.tell(ContactMessage::Accept(ours.clone()));
                self.add_contact(peer, &theirs, &ours);
            }
            (ContactMessage::Accept(theirs), Some(ours)) => {
                let ours = ours.clone();
                self.add_contact(peer, &theirs, &ours);
            }
            (ContactMessage::Request(theirs), None) => {
                self.acquaintance.theirs = Some(theirs);
                self.acquaintance.exchange = ContactExchange::Asked;
            }
            (ContactMessage::Decline, Some(_)) => {
                self.acquaintance.ours = None;
                self.acquaintance.exchange = ContactExchange::Declined;
            }
            // Nothing was asked.
            (ContactMessage::Accept(_) | ContactMessage::Decline, None) => {}
        }
    }

    pub(super) fn request_contact(&mut self) {
        let Some(peer) = self.call.as_ref().and_then(ActiveCall::peer).cloned() else { return };
        if self.acquaintance.exchange == ContactExchange::Asked {
            return self.answer_contact(true);
        }
        let Some(token) = random() else { return };
        let ours = self.contacts.our_card(&peer.device, token);
        self.tell(ContactMessage::Request(ours.clone()));
        self.acquaintance.ours = Some(ours);
        self.acquaintance.exchange = ContactExchange::Requested;
    }

    pub(super) fn answer_contact(&mut self, accept: bool) {
        let Some(theirs) = self.acquaintance.theirs.take() else { return };
        let Some(peer) = self.call.as_ref().and_then(ActiveCall::peer).cloned() else { return };
        if !accept {
            self.acquaintance.exchange = ContactExchange::None;
            return self.tell(ContactMessage::Decline);
        }
        let Some(token) = random() else { return };
        let ours = self.contacts.our_card(&peer.device, token);
        self.tell(ContactMessage::Accept(ours.clone()));
        self.add_contact(&peer, &theirs, &ours);
    }

    fn add_contact(&mut self, peer: &PeerCard, theirs: &ContactCard, ours: &ContactCard) {
        let now_ms = self.clock.unix_us(Instant::now()) / 1_000;
        self.contacts.add(peer, theirs, ours, self.acquaintance.compared == Some(true), now_ms);
        self.acquaintance.ours = Some(ours.clone());
        self.acquaintance.exchange = ContactExchange::Added;
        self.reach();
    }

    fn tell(&mut self, message: ContactMessage) {
        self.feed(Input::Contact(message));
    }

    pub(super) fn confirm_sas(&mut self, same: bool) {
        let Some(call) = &self.call else { return };
        let (Some(peer), Some(_)) = (call.peer(), call.emoji()) else { return };
        let now_ms = self.clock.unix_us(Instant::now()) / 1_000;
        let device = peer.device;
        self.contacts.set_verified(&device, same.then_some(now_ms));
        self.acquaintance.compared = Some(same);
    }

    // ---- shown

    pub(super) fn identity(&self) -> RemoteIdentity {
        let Some(call) = &self.call else { return RemoteIdentity::default() };
        let Some(peer) = call.peer() else { return RemoteIdentity::default() };
        let contact = self.contacts.by_device(&peer.device);
        let picture = |index: u8| {
            let (emoji, name) = sas::EMOJI[usize::from(index) % sas::EMOJI.len()];
            SasEmoji { emoji: emoji.to_owned(), name: name.to_owned() }
        };
        let exchange = match (self.acquaintance.exchange, contact) {
            (ContactExchange::None, Some(_)) => ContactExchange::Added,
            (exchange, _) => exchange,
        };
        RemoteIdentity {
            contact: contact.map(|_| peer.device.to_string()),
            trust: match self.acquaintance.compared {
                Some(true) => Trust::Verified,
                Some(false) => Trust::Mismatch,
                None => self.contacts.trust(peer),
            },
            sas: call.emoji().map(|emoji| emoji.map(picture).to_vec()).unwrap_or_default(),
            exchange,
        }
    }

    pub(super) fn people(&self) -> People {
        let home = self.reaching.iter().find(|reaching| reaching.home);
        People {
            contacts: self.contacts.shown_contacts(),
            history: self.contacts.shown_history(),
            unseen_missed: self.contacts.unseen_missed(),
            incoming: self.incoming.as_ref().map(|incoming| incoming.shown.clone()),
            reachable: match home {
                None => Reachable::NoServer,
                Some(home) if home.taken_over => Reachable::TakenOver,
                Some(home) if home.online() => Reachable::Yes,
                Some(_) => Reachable::Connecting,
            },
            do_not_disturb: self.config.do_not_disturb,
            relay_only: self.config.relay_only,
        }
    }

    /// Writes a call that is over into the history.
    pub(super) fn remember_call(&mut self, call: &ActiveCall) {
        if let Some(past) = call.past() {
            self.contacts.remember(past);
        }
    }
}
