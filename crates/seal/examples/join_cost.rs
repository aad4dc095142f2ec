//! What sealing costs a join: processor time of both ends of a handshake with cards and twelve messages.
//!
//! `cargo run -p eyeline-seal --example join_cost`

use std::time::Instant;

use eyeline_protocol::MemberId;
use eyeline_seal::{Client, Identity, Initiator, LocalCard, PairIds, Responder, RoomKeys, Secret};

/// An offer, an answer and ten candidates, about as long as ours.
const MESSAGE_BYTES: [usize; 12] = [3000, 2600, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200];
const ROUNDS: u8 = 200;

fn join(round: u8, ann: &Identity, bob: &Identity) -> Result<usize, Box<dyn std::error::Error>> {
    let keys = RoomKeys::derive(&Secret([round; 16]));
    let ids = PairIds { initiator: MemberId::new("b")?, responder: MemberId::new("a")? };
    let card = LocalCard::new("Someone", Client::Desktop, ["sas"]);
    let (mut ann, first) = Initiator::start(&keys, &ids, ann, &card, [round; 64]);
    let (mut bob, second) = Responder::accept(&keys, &ids, bob, &card, [round; 64], &first)?;
    let (third, mut ann) = ann.read(&second)?;
    let mut bob = bob.finish(&third)?;
    let mut opened = 0;
    for (seq, bytes) in (1..).zip(MESSAGE_BYTES) {
        let body = ann.seal(seq, &vec![b'x'; bytes])?;
        opened += bob.open(seq, &body)?.len();
    }
    Ok(opened)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ann, bob) = (Identity::generate([1; 64], 0), Identity::generate([2; 64], 0));
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let started = Instant::now();
        join(round, &ann, &bob)?;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    // The median is what one thread needs; the slowest are those the system interrupted.
    let median_ms = took[took.len() / 2].as_secs_f64() * 1e3;
    println!("one join, both ends: {median_ms:.2} ms (handshake, cards, {} messages)", MESSAGE_BYTES.len());
    Ok(())
}
