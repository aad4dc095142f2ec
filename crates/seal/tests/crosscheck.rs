//! The whole sealed protocol with fixed inputs: our results are those in `testdata/transcript.json`, and a second
//! implementation (`crosscheck/`, node's own cryptography) comes to the same.
//!
//! After a change of the format: `EYELINE_WRITE_VECTORS=1 cargo test -p eyeline-seal --test crosscheck`.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyeline_protocol::MemberId;
use eyeline_seal::sas::{self, SasContext};
use eyeline_seal::{
    BindRole, Client, Identity, IncomingRing, Initiator, Link, LocalCard, PairIds, Responder, RingAnswer, RingCaller,
    RingOffer, RingTo, RoomKeys, inbox_id, inbox_owner_secret,
};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const AUTHORITY: &str = "calls.example.org:8443";
const CAPABILITIES: [&str; 2] = ["contacts", "sas"];
const PLAINTEXT: &[u8] = br#"{"type":"bye","session":"0123456789abcdef"}"#;
const SEQ: u64 = 70_000;

/// Bytes that are easy to write down: `start`, `start + 1`, ...
fn count<const N: usize>(start: u8) -> [u8; N] {
    std::array::from_fn(|at| start.wrapping_add(u8::try_from(at).unwrap()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn card(name: &str) -> LocalCard {
    LocalCard::new(name, Client::Desktop, CAPABILITIES)
}

fn inputs() -> Value {
    let person = |name: &str, member: &str, start: u8| {
        json!({
            "name": name,
            "member": member,
            "identity_random": hex(&count::<64>(start)),
            "pair_random": hex(&count::<64>(start + 64)),
            "ring_random": hex(&count::<32>(start + 32)),
        })
    };
    json!({
        "secret": hex(&count::<16>(0)),
        "now_unix_s": NOW,
        "capabilities": CAPABILITIES,
        "initiator": person("Ann Übel \"A\"", "m-2", 1),
        "responder": person("Bob 🎺", "m-1", 101),
        "plaintext": std::str::from_utf8(PLAINTEXT).unwrap(),
        "seq": SEQ,
        "offerer_fingerprint": hex(&count::<32>(10)),
        "answerer_fingerprint": hex(&count::<32>(20)),
        "offerer_nonce": hex(&count::<32>(30)),
        "answerer_nonce": hex(&count::<32>(40)),
        "authority": AUTHORITY,
        "call_id": hex(&count::<16>(50)),
    })
}

fn results() -> Value {
    let (ann, bob) = (Identity::generate(count(1), NOW), Identity::generate(count(101), NOW));
    let (ann_card, bob_card) = (card("Ann Übel \"A\""), card("Bob 🎺"));
    let link = Link::new(AUTHORITY, count(0)).unwrap();
    let keys = RoomKeys::derive(link.secret());
    let ids = PairIds { initiator: MemberId::new("m-2").unwrap(), responder: MemberId::new("m-1").unwrap() };

    let (mut initiator, first) = Initiator::start(&keys, &ids, &ann, &ann_card, count(65));
    let (mut responder, second) = Responder::accept(&keys, &ids, &bob, &bob_card, count(165), &first).unwrap();
    let (third, mut initiator) = initiator.read(&second).unwrap();
    let mut responder = responder.finish(&third).unwrap();

    let context = SasContext {
        handshake_hash: *initiator.handshake_hash(),
        offerer: ann.device.id(),
        answerer: bob.device.id(),
        offerer_fingerprint: count(10),
        answerer_fingerprint: count(20),
    };
    let owner = inbox_owner_secret(&bob.device, AUTHORITY);
    let inbox_id = inbox_id(&owner);
    let to = RingTo { device: bob.device.id(), noise_key: bob.noise.public(), inbox_id };
    let offer = RingOffer { call_id: count(50), link, sent_unix_s: NOW };
    let (_, ring) = RingCaller::start(&ann, &ann_card, &to, &offer, count(33));
    let incoming = IncomingRing::open(&bob, &inbox_id, &ring).unwrap();
    let ring_reply = incoming.answer(&bob, &bob_card, RingAnswer::Accepted, count(133));

    json!({
        "room_id": hex(&keys.room_id.0),
        "psk": hex(&keys.psk),
        "initiator_device": ann.device.id(),
        "initiator_noise_key": ann.noise.public(),
        "initiator_noise_key_signature": ann.noise.signature(),
        "first": first,
        "second": second,
        "third": third,
        "handshake_hash": hex(initiator.handshake_hash()),
        "sealed_by_initiator": initiator.seal(SEQ, PLAINTEXT).unwrap(),
        "sealed_by_responder": responder.seal(SEQ, PLAINTEXT).unwrap(),
        "bind_offerer": hex(&initiator.bind_mac(BindRole::Offerer, &count(10), &count(20))),
        "bind_answerer": hex(&initiator.bind_mac(BindRole::Answerer, &count(10), &count(20))),
        "sas_commitment": hex(&sas::commit(&count(30))),
        "sas_emoji": sas::emoji(&context, &count(30), &count(40)),
        "inbox_owner_secret": hex(&*owner),
        "inbox_id": hex(&inbox_id),
        "ring": ring,
        "ring_reply": ring_reply,
    })
}

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

#[test]
fn our_results_are_the_written_ones() {
    let transcript = json!({ "inputs": inputs(), "results": results() });
    let file = path("testdata/transcript.json");
    if std::env::var_os("EYELINE_WRITE_VECTORS").is_some() {
        std::fs::write(&file, format!("{}\n", serde_json::to_string_pretty(&transcript).unwrap())).unwrap();
    }
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(transcript, written);
}

#[test]
fn a_second_implementation_comes_to_the_same() {
    let output = Command::new("node").arg(path("crosscheck/check.mjs")).arg(path("testdata/transcript.json")).output();
    let output = output.expect("node is one of the tools the project needs (README)");
    let shown = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("19 of 19"), "{shown}");
}

#[test]
fn the_second_implementation_notices_a_difference() {
    let mut transcript: Value =
        serde_json::from_slice(&std::fs::read(path("testdata/transcript.json")).unwrap()).unwrap();
    transcript["inputs"]["initiator"]["member"] = "m-3".into();
    let file = std::env::temp_dir().join(format!("eyeline-transcript-{}.json", std::process::id()));
    std::fs::write(&file, transcript.to_string()).unwrap();
    let output = Command::new("node").arg(path("crosscheck/check.mjs")).arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(!output.status.success());
}
