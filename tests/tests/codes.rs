//! Spoken codes and those who guess at them, against the real server.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use eyeline_tests::binaries::Binary;
use eyeline_tests::raw_client::RawClient;
use eyeline_tests::report::say;
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
