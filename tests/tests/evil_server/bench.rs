//! Two calls with a lying server in between, and what came of it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use eyeline_call::{Refusal, State};
use eyeline_protocol::ServerMessage;
use eyeline_seal::Kind;

use crate::rig::{Delivery, Evil, Who, World, device_id};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Caller 0 with device 1 waits in the room, caller 1 with device 2 comes; then every timer may run out.
pub(crate) fn attack(name: &str, evil: impl FnMut(Delivery) -> Vec<Delivery> + 'static) -> World {
    let mut world = meet(Some(Box::new(evil)));
    world.run(30 * SECOND);
    report(name, &world);
    world
}

/// The same, up to a moment after the second joined.
pub(crate) fn meet(evil: Option<Evil>) -> World {
    let mut world = World::new(1);
    world.evil = evil;
    world.add(Who::device(1));
    world.run(SECOND);
    world.add(Who::device(2));
    world.run(SECOND);
    world
}

/// One row of the table.
pub(crate) fn report(name: &str, world: &World) {
    for (index, caller) in world.callers.iter().enumerate() {
        let mut refusals: Vec<String> = Vec::new();
        for refusal in caller.refusals.iter().map(|refusal| format!("{refusal:?}")) {
            if refusals.last() != Some(&refusal) {
                refusals.push(refusal);
            }
        }
        let state = match caller.call.state() {
            State::InCall(_) => "in the call".to_owned(),
            state => format!("{state:?}"),
        };
        let refusals = if refusals.is_empty() { "nothing refused".to_owned() } else { refusals.join(", ") };
        println!("{name:<44} {index}: {refusals} -> {state}");
    }
}

/// Changes bodies on their way.
pub(crate) fn on_body(mut change: impl FnMut(usize, Kind, String) -> String + 'static) -> Evil {
    Box::new(move |mut delivery| {
        if let ServerMessage::From { body, .. } = &mut delivery.message
            && let Some(kind) = eyeline_seal::kind(body)
        {
            *body = change(delivery.to, kind, std::mem::take(body));
        }
        vec![delivery]
    })
}

/// Changes the bytes of a body.
pub(crate) fn bytes(body: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(body).expect("a body");
    change(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn body_kind(message: &ServerMessage) -> Option<Kind> {
    match message {
        ServerMessage::From { body, .. } => eyeline_seal::kind(body),
        _ => None,
    }
}

/// No picture, no sound, at any time.
pub(crate) fn assert_no_media(world: &World) {
    for (index, caller) in world.callers.iter().enumerate() {
        assert_eq!(caller.media_opened, 0, "media of {index}");
    }
}

/// The two are in a call, with each other. The rig has compared the certificates.
pub(crate) fn assert_right(world: &World) {
    for (index, other) in [(0, 1), (1, 0)] {
        assert!(world.in_call(index), "{:?}", world.state(index));
        let peer = world.callers[index].call.peer().map(|card| card.device);
        let device = world.callers[other].who.device;
        assert_eq!(peer, Some(device_id(device)), "the device that {index} talks to");
    }
}

pub(crate) fn assert_refused(world: &World, index: usize, refusal: &Refusal) {
    let refusals = &world.callers[index].refusals;
    assert!(refusals.contains(refusal), "{refusal:?} not among {refusals:?}");
}
