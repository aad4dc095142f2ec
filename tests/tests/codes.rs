//! Spoken codes and those who guess at them, against the real server.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use eyeline_seal::{SpokenCode, words};
use eyeline_tests::binaries::Binary;
use eyeline_tests::peer::{Peer, PeerSetup};
use eyeline_tests::raw_client::RawClient;
use eyeline_tests::report::say;
use eyeline_tests::server::Server;
use eyeline_tests::{Failure, Outcome, Process, Scene, ensure};
use serde_json::Value;

const START_LIMIT: Duration = Duration::from_secs(20);
const GUESSER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const FRIEND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

const TRIES: usize = 1_000;
/// On one socket; few enough that the limit of messages per socket does not slow the guesser down.
const TRIES_PER_SOCKET: usize = 15;
const CODES: usize = 30;
/// Codes of one host that may be guessed at before it is asked whether it wants another.
const WRONG_TRIES_MAX: usize = 3;
/// What `docs/protocol.md` allows an address in 30 minutes.
const LOOKED_AT_MAX: usize = 10;

/// A server that takes loopback addresses for those of strangers, and as many sockets as the guesser wants: what is left
/// are the limits of the codes.
fn strict_server(scene: &Scene) -> Outcome<(Process, String)> {
    let port_file = scene.path("server.port");
    let mut command = Command::new(Binary::Server.path()?);
    command.args(["--listen", "127.0.0.1:0", "--limit-loopback"]);
    command.args(["--connections-per-min", "100000", "--connections-open", "10000"]);
    command.arg("--port-file").arg(&port_file);
    let mut process = Process::start(scene, "server", &mut command)?;
    let port = process.wait_for("the server's port", START_LIMIT, || {
        Ok(fs::read_to_string(&port_file).ok().and_then(|text| text.trim().parse::<u16>().ok()))
    })?;
    Ok((process, format!("127.0.0.1:{port}")))
}

const HELLO: &str = r#"{"type":"hello","v":1}"#;

async fn welcomed(address: &str, own: IpAddr) -> Outcome<RawClient> {
    let mut client = RawClient::connect_from(address, own).await?;
    client.say(HELLO).await;
    client.hear_type("welcome").await?;
    Ok(client)
}

/// Someone waiting at a nameplate.
struct Host {
    client: RawClient,
    nameplate: u64,
}

impl Host {
    async fn wait(address: &str) -> Outcome<Self> {
        let mut client = welcomed(address, HOST).await?;
        client.say(r#"{"type":"code_open"}"#).await;
        let code = client.hear_type("code").await?;
        let nameplate = code["nameplate"].as_u64().ok_or_else(|| Failure::new("a code without a nameplate"))?;
        Ok(Self { client, nameplate })
    }

    /// The types of what it was told so far: a second `hello` is always answered, so what comes before the answer is all.
    async fn told(&mut self) -> Outcome<Vec<String>> {
        self.client.say(HELLO).await;
        let mut told = Vec::new();
        loop {
            let message = next(&mut self.client).await?;
            if message["code"] == "hello_repeated" {
                return Ok(told);
            }
            told.push(message["type"].as_str().unwrap_or("").to_owned());
        }
    }
}

async fn next(client: &mut RawClient) -> Outcome<Value> {
    client.hear().await?.ok_or_else(|| Failure::new("the server closed the socket"))
}

async fn claim(client: &mut RawClient, nameplate: u64) -> Outcome<Value> {
    client.say(&format!(r#"{{"type":"code_claim","nameplate":{nameplate}}}"#)).await;
    next(client).await
}

/// Tries a nameplate; whether somebody was there. Then it makes its one guess and goes.
async fn guess(client: &mut RawClient, nameplate: u64) -> Outcome<bool> {
    let answer = claim(client, nameplate).await?;
    if answer["type"] != "code_claimed" {
        ensure!(answer == serde_json::json!({ "type": "code_failed" }), "a claim in vain is answered by {answer}");
        return Ok(false);
    }
    client.say(&format!(r#"{{"type":"send","to":{},"seq":1,"body":"AAAA"}}"#, answer["peer"])).await;
    // It may say that it knew the words; only the host is believed.
    client.say(r#"{"type":"code_close","met":true}"#).await;
    Ok(true)
}

/// A guesser who even knows which nameplates are in use, and has as many sockets as it likes, makes ten tries in half an
/// hour, and one guess per code; each host knows of it, and no other.
#[tokio::test]
async fn codes_guesser() -> Outcome {
    let scene = Scene::open("codes_guesser")?;
    let (_server, address) = strict_server(&scene)?;
    let mut hosts = Vec::new();
    for _ in 0..CODES {
        hosts.push(Host::wait(&address).await?);
    }
    let in_use: Vec<u64> = hosts.iter().map(|host| host.nameplate).collect();

    // The first code twice, then all others, then every number there is.
    let targets = in_use[..1].iter().chain(&in_use).copied().chain(1..).take(TRIES);
    let mut looked_at = Vec::new();
    let mut client = welcomed(&address, GUESSER).await?;
    for (nth, nameplate) in targets.enumerate() {
        if nth % TRIES_PER_SOCKET == 0 {
            client = welcomed(&address, GUESSER).await?;
        }
        if guess(&mut client, nameplate).await? {
            looked_at.push(nameplate);
        }
    }

    // One try was lost on a code that was used up.
    let expected = &in_use[..LOOKED_AT_MAX - 1];
    ensure!(looked_at == expected, "looked at {looked_at:?}, expected {expected:?}");
    for host in &mut hosts {
        let told = host.told().await?;
        let expected: &[&str] =
            if looked_at.contains(&host.nameplate) { &["code_claimed", "from", "peer_left"] } else { &[] };
        ensure!(told == expected, "the host was told {told:?}, expected {expected:?}");
    }

    // Nobody else pays for it: from another address the codes that are left work.
    let mut friend = welcomed(&address, FRIEND).await?;
    let answer = claim(&mut friend, in_use[CODES - 1]).await?;
    ensure!(answer["type"] == "code_claimed", "a friend is answered by {answer}");
    say(&format!("{TRIES} tries from one address: {} codes guessed at, once each", looked_at.len()));
    Ok(())
}

const CALL_LIMIT: Duration = Duration::from_secs(30);

fn host_with_code(scene: &Scene, server: &Server) -> Outcome<Peer> {
    let setup = PeerSetup { more: vec!["--code".into()], ..PeerSetup::default() };
    Ok(Peer::host(scene, "host", &setup, &server.url())?.0)
}

fn join_with(scene: &Scene, name: &str, server: &Server, code: &str) -> Outcome<Peer> {
    Peer::start(scene, name, &PeerSetup::default(), &["--server", &server.url(), "--join-code", code])
}

/// Ends without a call, and with these words.
fn ends_with(mut peer: Peer, words: &str) -> Outcome {
    let error = peer.wait_event("why it ended", CALL_LIMIT, |event| event.name == "error")?;
    ensure!(error.text.contains(words), "it ended with {:?}, expected {words:?}", error.text);
    ensure!(!peer.process.wait_end(CALL_LIMIT)?.success(), "it ended as if all were well");
    ensure!(peer.events()?.iter().all(|event| event.name != "in_call"), "it was in a call");
    Ok(())
}

/// A code as somebody says it who was told it on the phone.
fn as_said(code: &SpokenCode) -> String {
    let [first, second] = code.word_indices().map(|index| words()[usize::from(index)]);
    format!("  {} {}, {second}", code.nameplate, first.to_uppercase())
}

/// The same code with another second word.
fn mistaken(code: &SpokenCode) -> String {
    let [first, second] = code.word_indices().map(usize::from);
    format!("{}-{}-{}", code.nameplate, words()[first], words()[(second + 1) % words().len()])
}

/// A call by a code that was said aloud, and both ends show the same emoji.
#[test]
fn codes_call_by_code() -> Outcome {
    let scene = Scene::open("codes_call_by_code")?;
    let server = Server::start(&scene)?;
    let mut host = host_with_code(&scene, &server)?;
    let code = host.wait_code(0)?;
    let mut guest = join_with(&scene, "guest", &server, &as_said(&code))?;
    let emoji = |peer: &mut Peer| {
        peer.wait_pictures(5, CALL_LIMIT)?;
        Ok::<_, Failure>(peer.wait_event("the emoji to compare", CALL_LIMIT, |event| event.name == "sas")?.text)
    };
    let (at_host, at_guest) = (emoji(&mut host)?, emoji(&mut guest)?);
    ensure!(at_host == at_guest, "the host is shown {at_host:?}, the guest {at_guest:?}");
    // Nobody who hears it later gets anywhere.
    let late = join_with(&scene, "late", &server, &as_said(&code))?;
    ends_with(late, "nobody waits with this code")?;
    guest.end()?;
    host.process.wait_end(CALL_LIMIT).map(|_| ())
}

/// A wrong word uses the code up: the host knows of it and gets another, and the right words come too late.
#[test]
fn codes_wrong_guess_burns_and_host_sees() -> Outcome {
    let scene = Scene::open("codes_wrong_guess_burns_and_host_sees")?;
    let server = Server::start(&scene)?;
    let mut host = host_with_code(&scene, &server)?;
    let first = host.wait_code(0)?;
    ends_with(join_with(&scene, "guesser", &server, &mistaken(&first))?, "the code was not right")?;

    let second = host.wait_code(1)?;
    ensure!(second.nameplate != first.nameplate, "the second code is at the nameplate of the first");
    ensure!(second.word_indices() != first.word_indices(), "the second code has the words of the first");
    let shown: Vec<String> =
        host.events()?.into_iter().filter(|event| event.name == "code").map(|event| event.text).collect();
    ensure!(shown == ["0", "1"], "the host was shown codes after wrong tries {shown:?}");

    ends_with(join_with(&scene, "late", &server, &first.to_string())?, "nobody waits with this code")?;
    let mut guest = join_with(&scene, "guest", &server, &second.to_string())?;
    guest.wait_pictures(5, CALL_LIMIT)?;
    host.wait_pictures(5, CALL_LIMIT)?;
    guest.end()
}

/// A new code comes by itself until three were guessed at wrongly; after that the host is asked.
#[test]
fn codes_that_go_on_being_guessed_at_end() -> Outcome {
    let scene = Scene::open("codes_that_go_on_being_guessed_at_end")?;
    let server = Server::start(&scene)?;
    let mut host = host_with_code(&scene, &server)?;
    for nth in 0..WRONG_TRIES_MAX {
        let code = host.wait_code(nth)?;
        ends_with(join_with(&scene, &format!("guesser-{nth}"), &server, &mistaken(&code))?, "the code was not right")?;
    }
    let burned = host.wait_event("no code any more", CALL_LIMIT, |event| event.name == "code_burned")?;
    ensure!(burned.text == WRONG_TRIES_MAX.to_string(), "the host is told of {} wrong tries", burned.text);
    host.end()
}

/// Someone who asks for a nameplate learns only that nobody is there to be met: not whether there ever was, nor why not.
#[tokio::test]
async fn codes_unknown_and_used_are_answered_alike() -> Outcome {
    let scene = Scene::open("codes_unknown_and_used_are_answered_alike")?;
    let server = Server::start(&scene)?;
    let mut host = Host::wait(&server.address()).await?;
    let mut other = welcomed(&server.address(), FRIEND).await?;
    let there = claim(&mut other, host.nameplate).await?;
    ensure!(there["type"] == "code_claimed", "a code in use is answered by {there}");
    let mut asker = welcomed(&server.address(), GUESSER).await?;
    let used = claim(&mut asker, host.nameplate).await?;
    host.client.say(r#"{"type":"code_close","met":false}"#).await;
    let mut answers = vec![used];
    for nameplate in [host.nameplate, host.nameplate + 1, 999_999] {
        answers.push(claim(&mut asker, nameplate).await?);
    }
    let expected = serde_json::json!({ "type": "code_failed" });
    ensure!(answers.iter().all(|answer| *answer == expected), "answered by {answers:?}");
    Ok(())
}
