//! Eyeline in a call with a browser: both directions decode, whoever offers.

use std::time::Duration;

use eyeline_tests::bridge::Bridge;
use eyeline_tests::browser::Browser;
use eyeline_tests::display::changed;
use eyeline_tests::peer::{Peer, PeerSetup};
use eyeline_tests::picture::Luma;
use eyeline_tests::report::{say, skipped};
use eyeline_tests::room::RoomClient;
use eyeline_tests::server::Server;
use eyeline_tests::{Outcome, Scene, ensure};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);
/// Pictures each side must decode.
const PICTURES: u32 = 60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Offers {
    Browser,
    Eyeline,
}

#[tokio::test]
async fn chromium_vp8_browser_offers() -> Outcome {
    call("chromium_vp8_browser_offers", "VP8", Offers::Browser).await
}

#[tokio::test]
async fn chromium_vp8_eyeline_offers() -> Outcome {
    call("chromium_vp8_eyeline_offers", "VP8", Offers::Eyeline).await
}

#[tokio::test]
async fn chromium_vp9_browser_offers() -> Outcome {
    call("chromium_vp9_browser_offers", "VP9", Offers::Browser).await
}

#[tokio::test]
async fn chromium_vp9_eyeline_offers() -> Outcome {
    call("chromium_vp9_eyeline_offers", "VP9", Offers::Eyeline).await
}

async fn call(name: &str, codec: &str, offers: Offers) -> Outcome {
    let scene = Scene::open(name)?;
    if let Some(lack) = Browser::lacks() {
        skipped(name, lack);
        return Ok(());
    }
    let server = Server::start(&scene)?;
    let setup = PeerSetup { dump_every: Some(15), ..PeerSetup::default() };
    let browser = Browser::open(&scene, "call.html").await?;
    let mime = format!("video/{codec}");
    // The newcomer to a room offers.
    let (mut bridge, mut peer) = match offers {
        Offers::Browser => {
            let (peer, link) = Peer::host(&scene, "peer", &setup, &server.url())?;
            let room = RoomClient::join(&link).await?;
            let mut bridge = Bridge::new(browser, room, &mime).await?;
            bridge.offer().await?;
            (bridge, peer)
        }
        Offers::Eyeline => {
            let link = RoomClient::new_link(&server.url())?;
            let room = RoomClient::join(&link).await?;
            let bridge = Bridge::new(browser, room, &mime).await?;
            (bridge, Peer::join(&scene, "peer", &setup, &link)?)
        }
    };

    let number = |figures: &Value, name: &str| figures[name].as_f64().unwrap_or(0.0);
    let decoded = bridge.run_until("the browser to decode picture and sound", LIMIT, |figures| {
        number(figures, "decoded") >= f64::from(PICTURES) && number(figures, "heard_energy") > 0.001
    });
    let figures = decoded.await.map_err(|failure| failure.with(&peer.process.tail()))?;
    say(&format!("{name}: the browser has {figures}"));
    for field in ["decoded_codec", "sent_codec"] {
        ensure!(figures[field] == mime.as_str(), "{field} is {}, expected {mime}", figures[field]);
    }
    ensure!(
        figures["heard_proof"].as_str() == bridge.expected_bind(),
        "the peer did not prove to the browser which connection it means"
    );

    peer.wait_pictures(usize::try_from(PICTURES)?, LIMIT)?;
    // The browser's fake microphone beeps once a second.
    peer.wait_stats("the browser's sound", 0, LIMIT, |line| line.levels.remote > 0.05)?;
    let dumps = peer.dumps()?;
    let pictures = dumps.iter().take(4).map(|file| Luma::of_dump(file)).collect::<Outcome<Vec<_>>>()?;
    ensure!(pictures.len() >= 2, "the peer kept {} pictures of the browser", pictures.len());
    // The fake camera shows a turning disc and a clock: its pictures have contrast, and move.
    let last = &pictures[pictures.len() - 1];
    let spread = last.pixels.iter().max().zip(last.pixels.iter().min()).map_or(0, |(high, low)| high - low);
    ensure!(spread > 60, "the browser's picture is flat: luma spreads over {spread} values");
    let before = pictures.iter().rev().skip(1).find(|picture| picture.pixels.len() == last.pixels.len());
    let moved = before.map_or(0.0, |before| changed(before, last));
    ensure!(moved > 0.001, "the browser's picture stands still");

    peer.end()?;
    bridge.run_until("the hang-up to reach the browser", LIMIT, |figures| figures["ended"] == true).await?;
    Ok(())
}
