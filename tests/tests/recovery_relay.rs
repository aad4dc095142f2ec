//! A call goes on where the network begins to drop UDP.

use std::time::Duration;

use eyeline_tests::lan::{Lan, lan_or_skip};
use eyeline_tests::logs::count;
use eyeline_tests::pair::Pair;
use eyeline_tests::peer::{Peer, PeerSetup, unix_us};
use eyeline_tests::report::Table;
use eyeline_tests::server::Server;
use eyeline_tests::turn::Turn;
use eyeline_tests::{Outcome, Scene, ensure, ice_proxy, turn_stream};

/// How long the path may take to be another one.
const LIMIT: Duration = Duration::from_secs(60);

/// UDP is blocked on one side in the middle of a call that goes directly: it comes back through a relay over TCP. When UDP
/// passes again it goes directly again.
#[test]
fn recovery_udp_blocked_mid_call() -> Outcome {
    let scene = Scene::open("recovery_udp_blocked_mid_call")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    let own = Lan::SERVER_ADDRESS.parse()?;
    let server = Server::start_on(&scene, "server", &lan.server, Lan::SERVER_ADDRESS, 0)?;
    let relay = Turn::start(&lan.server, own)?;
    let over_tcp = turn_stream::start(&lan.server, own, relay.address)?;
    let relays = [over_tcp, relay.url()];
    let proxy = ice_proxy::start(&lan.server, own, server.address().parse()?, &relays)?;
    let url = format!("http://{proxy}");
    let mut pair = Pair::connect_by(&scene, &url, &PeerSetup::on(&lan.a), &PeerSetup::on(&lan.b))?;
    for peer in [&mut pair.a, &mut pair.b] {
        peer.wait_stats("a direct path", 0, LIMIT, |line| line.path.as_deref() == Some("direct"))?;
    }

    let mut table = Table::new(&["a", "b"]);
    let blocked_at = unix_us();
    let blocked = lan.a.block_udp()?;
    pair.a.wait_stats("a relay over TCP", blocked_at, LIMIT, |line| line.path.as_deref() == Some("relayed_tcp"))?;
    pair.b.wait_stats("a relay", blocked_at, LIMIT, |line| line.path.as_deref() == Some("relayed"))?;
    pair.both_see(60)?;
    pair.both_hear()?;
    let said = pair.a.events()?.iter().any(|event| event.name == "reconnecting")
        || pair.b.events()?.iter().any(|event| event.name == "reconnecting");
    ensure!(said, "neither peer said that it was reconnecting");
    table.row("UDP blocked: longest time without a picture, ms", &gaps(&pair, blocked_at)?);

    let open_at = unix_us();
    drop(blocked);
    let mut direct_after = Vec::new();
    for peer in [&mut pair.a, &mut pair.b] {
        let line =
            peer.wait_stats("a direct path again", open_at, LIMIT, |line| line.path.as_deref() == Some("direct"))?;
        direct_after.push(format!("{:.1}", count(usize::try_from(line.unix_us - open_at)?) / 1e6));
    }
    pair.both_see(60)?;
    pair.both_hear()?;
    table.row("UDP open again: direct after, s", &direct_after);
    table.row("UDP open again: longest time without a picture, ms", &gaps(&pair, open_at)?);
    table.publish(&scene)
}

/// Longest time without a picture since `since`, at either side.
fn gaps(pair: &Pair, since: i64) -> Outcome<Vec<String>> {
    let gap = |peer: &Peer| -> Outcome<String> {
        let shown = peer.frames()?.shown;
        let pairs = shown.windows(2).filter(|pair| pair[1].unix_us > since);
        let longest = pairs.map(|pair| pair[1].unix_us - pair[0].unix_us).max().unwrap_or(0);
        Ok(format!("{:.0}", count(usize::try_from(longest)?) / 1000.0))
    };
    Ok(vec![gap(&pair.a)?, gap(&pair.b)?])
}
