//! Relayed calls to which something happens.

use std::time::Duration;

use eyeline_protocol::limits;
use eyeline_tests::lan::{Lan, lan_or_skip};
use eyeline_tests::pair::Pair;
use eyeline_tests::peer::{Peer, PeerSetup, unix_us};
use eyeline_tests::report::Table;
use eyeline_tests::server::Server;
use eyeline_tests::{Outcome, Scene, wait_for};

/// How long a path may take to be known, and a call to be back.
const LIMIT: Duration = Duration::from_secs(60);

/// The server ends and starts again in the middle of a relayed call, and with it the relay, which then knows nobody.
#[test]
fn nat_relay_restarts_mid_call() -> Outcome {
    let scene = Scene::open("nat_relay_restarts_mid_call")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    lan.part()?;
    let mut server = Server::start_on(&scene, "server", &lan.server, Lan::SERVER_ADDRESS, 0)?;
    let mut pair = Pair::connect(&scene, &server, &PeerSetup::on(&lan.a), &PeerSetup::on(&lan.b))?;
    paths(&mut pair, ["relayed", "relayed"], 0)?;
    server.kill()?;
    let ended_at = unix_us();
    let _again = server.start_again(&scene, "server-again")?;
    // Whoever notices first tells the other side, which then has nothing to notice any more.
    wait_for("one of the two to notice and be back", LIMIT, || {
        let back = |peer: &Peer| -> Outcome<bool> {
            let events = peer.events()?;
            let mut since = events.iter().skip_while(|event| event.name != "reconnecting" || event.unix_us < ended_at);
            Ok(since.any(|event| event.name == "in_call"))
        };
        Ok((back(&pair.a)? || back(&pair.b)?).then_some(()))
    })?;
    pair.both_see(60)?;
    pair.both_hear()?;
    paths(&mut pair, ["relayed", "relayed"], unix_us())?;
    let mut table = Table::new(&["a", "b"]);
    table.row("longest time without a picture, ms", &[gap(&pair.a, ended_at)?, gap(&pair.b, ended_at)?]);
    table.publish(&scene)
}

/// A relayed call lives longer than the credentials it began with, also over a break, after which the relay is asked anew.
#[test]
#[ignore = "takes six minutes, which is how long credentials are good and a little"]
fn nat_call_outlives_credentials() -> Outcome {
    let scene = Scene::open("nat_call_outlives_credentials")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    lan.part()?;
    let server = Server::start_on(&scene, "server", &lan.server, Lan::SERVER_ADDRESS, 0)?;
    let mut pair = Pair::connect(&scene, &server, &PeerSetup::on(&lan.a), &PeerSetup::on(&lan.b))?;
    let over = unix_us() + i64::try_from(limits::RELAY_CREDENTIAL_TTL.as_micros())? + 5_000_000;
    pair.a.wait_stats("the credentials' end", over, limits::RELAY_CREDENTIAL_TTL + LIMIT, |_| true)?;
    pair.both_see(60)?;
    let blocked_at = unix_us();
    let _blocked = lan.a.block_udp()?;
    paths(&mut pair, ["relayed_tcp", "relayed"], blocked_at)?;
    pair.both_see(60)?;
    pair.both_hear()
}

/// Longest time without a picture since then, milliseconds.
fn gap(peer: &Peer, since: i64) -> Outcome<String> {
    let shown = peer.frames()?.shown;
    let pairs = shown.windows(2).filter(|pair| pair[1].unix_us > since);
    let longest = pairs.map(|pair| pair[1].unix_us - pair[0].unix_us).max().unwrap_or(0);
    Ok((longest / 1_000).to_string())
}

fn paths(pair: &mut Pair, wanted: [&str; 2], since: i64) -> Outcome {
    for (peer, wanted) in [&mut pair.a, &mut pair.b].into_iter().zip(wanted) {
        peer.wait_stats(&format!("a path that is {wanted}"), since, LIMIT, |line| {
            line.path.as_deref() == Some(wanted)
        })?;
    }
    Ok(())
}
