//! Two peers in a call through a real server.

use std::path::Path;
use std::time::Duration;

use eyeline_tests::clip::Clip;
use eyeline_tests::lan::{Lan, lan_or_skip};
use eyeline_tests::logs::{FrameLog, count, percentile};
use eyeline_tests::pair::{CONNECT_LIMIT, Pair};
use eyeline_tests::peer::{Peer, PeerSetup, unix_us};
use eyeline_tests::picture::Luma;
use eyeline_tests::process::Usage;
use eyeline_tests::report::Table;
use eyeline_tests::server::Server;
use eyeline_tests::{Outcome, Scene, ensure, sound, wait_for};

/// How long the measured call lasts.
const CALL: Duration = Duration::from_secs(60);
/// The film that is sent: short, since it is large, and long enough that a number does not come again within the delay.
const FILM: Clip = Clip { width: 1280, height: 720, frames: 60, fps: 30 };
/// From the first picture until figures count: the call finds its pace.
const SETTLE_US: i64 = 5_000_000;

fn film_and_speech(scene: &Scene, setup: PeerSetup) -> Outcome<PeerSetup> {
    let (film, speech) = (scene.scratch("film.y4m"), scene.scratch("speech.wav"));
    if !film.exists() {
        FILM.write(&film)?;
        sound::write_wav(&speech, &sound::speech(30))?;
    }
    let text = |path: &Path| path.display().to_string();
    Ok(PeerSetup { camera: text(&film), microphone: text(&speech), dump_every: Some(45), ..setup })
}

/// A minute of picture and sound in both directions, on three machines of a network, and everything about it proven from
/// the logs. The bounds hold on a busy machine of two cores that does all the work of both sides; the exact figures are
/// printed.
#[test]
fn call_two_peers_720p() -> Outcome {
    let scene = Scene::open("call_two_peers_720p")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start_on(&scene, "server", &lan.server, Lan::SERVER_ADDRESS, 0)?;
    let (a, b) = (film_and_speech(&scene, PeerSetup::on(&lan.a))?, film_and_speech(&scene, PeerSetup::on(&lan.b))?);
    let (mut a, link) = Peer::host(&scene, "a", &a, &server.url())?;
    let mut b = Peer::join(&scene, "b", &b, &link)?;
    a.wait_pictures(1, CONNECT_LIMIT)?;
    b.wait_pictures(1, CONNECT_LIMIT)?;

    let start = (a.process.usage()?, b.process.usage()?);
    let until = unix_us() + i64::try_from(CALL.as_micros())?;
    wait_for("a minute of call", CALL + CONNECT_LIMIT, || {
        ensure!(a.process.runs()? && b.process.runs()?, "a peer ended\n{}\n{}", a.process.tail(), b.process.tail());
        Ok((unix_us() > until).then_some(()))
    })?;
    let used = (since(start.0, a.process.usage()?), since(start.1, b.process.usage()?));
    a.end()?;
    b.end()?;

    let sides = [Side::measure("a", &b, &a, used.0)?, Side::measure("b", &a, &b, used.1)?];
    publish(&scene, &sides)?;
    sides.iter().try_for_each(Side::check)
}

fn since(start: Usage, end: Usage) -> Usage {
    Usage { cpu: end.cpu.saturating_sub(start.cpu), ..end }
}

/// What one side saw and heard of the other.
struct Side {
    name: &'static str,
    first_picture_ms: f64,
    /// Pictures of the film's full size, as a share.
    full_size: f64,
    /// Seconds in which its sender could not encode larger ones in time, and in which the path did not carry them.
    limited: [f64; 2],
    fps: f64,
    worst_gap_ms: f64,
    /// Shown frames whose number was captured on the other side, as a share.
    known: f64,
    latency_ms: [f64; 2],
    ssim: [f64; 2],
    sent_kbps: f64,
    likeness: f64,
    sound_delay_ms: f64,
    used: Usage,
}

impl Side {
    fn measure(name: &'static str, from: &Peer, to: &Peer, used: Usage) -> Outcome<Self> {
        let (sent, all) = (from.frames()?, to.frames()?);
        let call = to.events()?.into_iter().find(|event| event.name == "call").map_or(0, |event| event.unix_us);
        let first = all.shown.first().map_or(0, |shown| shown.unix_us);
        let settled = |unix_us: i64| unix_us > first + SETTLE_US;
        let shown = all.shown.iter().filter(|shown| settled(shown.unix_us)).copied().collect();
        let steady = FrameLog { captured: Vec::new(), shown };
        let latencies = steady.latencies_ms(&sent);
        let full_size = steady.shown.iter().filter(|shown| usize::try_from(shown.height) == Ok(FILM.height)).count();
        let stats = to.stats()?.into_iter().filter(|line| line.phase == "in_call" && settled(line.unix_us));
        let sent_kbps: Vec<f64> = stats.map(|line| line.stats.sent_kbps).collect();
        let limits: Vec<String> = (from.stats()?.into_iter())
            .filter(|line| line.phase == "in_call" && settled(line.unix_us))
            .map(|line| line.stats.sent_limited_by)
            .collect();
        let limited_by = |what: &str| count(limits.iter().filter(|by| *by == what).count()) / count(limits.len());
        let ssim = likeness_of_pictures(to, first)?;
        let heard = sound::heard(&from.microphone()?, &to.speaker()?);
        let of_sound =
            |figure: fn(&sound::Heard) -> f64| percentile(&heard.iter().map(figure).collect::<Vec<_>>(), 0.5);
        Ok(Self {
            name,
            first_picture_ms: count(usize::try_from(first - call)?) / 1000.0,
            full_size: count(full_size) / count(steady.shown.len()),
            limited: ["cpu", "bandwidth"].map(limited_by),
            fps: steady.fps(),
            worst_gap_ms: percentile(&steady.gaps_ms(), 1.0),
            known: count(latencies.len()) / count(steady.shown.len()),
            latency_ms: [0.5, 0.95].map(|share| percentile(&latencies, share)),
            ssim: [0.5, 0.05].map(|share| percentile(&ssim, share)),
            sent_kbps: percentile(&sent_kbps, 0.5),
            likeness: of_sound(|heard| heard.likeness),
            sound_delay_ms: of_sound(|heard| heard.delay_ms),
            used,
        })
    }

    fn check(&self) -> Outcome {
        let name = self.name;
        ensure!(self.known > 0.98, "only {:.3} of {name}'s pictures carry a number that was sent", self.known);
        // A machine that cannot encode full size in time sends smaller pictures, and says that this is why.
        let [slow, narrow] = self.limited;
        ensure!(narrow < 0.1, "{name} got smaller pictures for want of rate in {narrow:.2} of the time");
        ensure!(
            self.full_size + slow > 0.8,
            "only {:.2} of {name}'s pictures were 720 lines high, and the machine was slow in {slow:.2} of the time",
            self.full_size
        );
        ensure!(self.fps > 26.0, "{name} was shown {:.1} pictures a second, 30 were sent", self.fps);
        ensure!(self.ssim[0] > 0.9, "{name}'s pictures are like their source by {:.3} only", self.ssim[0]);
        ensure!(self.likeness > 0.5, "{name} heard something else than was said: likeness {:.2}", self.likeness);
        Ok(())
    }
}

/// SSIM of every picture that was kept against the film's own frame of the same number.
fn likeness_of_pictures(peer: &Peer, first_us: i64) -> Outcome<Vec<f64>> {
    let mut likeness = Vec::new();
    for file in peer.dumps()? {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("");
        let unix_us = name.split('_').next().and_then(|time| time.parse::<i64>().ok()).unwrap_or(0);
        if unix_us < first_us + SETTLE_US {
            continue;
        }
        let picture = Luma::of_dump(&file)?;
        let Some(number) = picture.code().number() else { continue };
        // One that was sent smaller is compared as it is seen: stretched.
        let picture = picture.scaled_to(FILM.width, FILM.height);
        likeness.push(picture.ssim(&FILM.luma(usize::try_from(number)?))?);
    }
    ensure!(likeness.len() >= 10, "only {} pictures to compare", likeness.len());
    Ok(likeness)
}

fn publish(scene: &Scene, sides: &[Side; 2]) -> Outcome {
    let mut table = Table::new(&sides.each_ref().map(|side| side.name));
    let mut row = |label: &str, digits: usize, figure: fn(&Side) -> f64| {
        table.row(label, &sides.each_ref().map(|side| format!("{:.digits$}", figure(side))));
    };
    row("first picture after the call was asked for, ms", 0, |side| side.first_picture_ms);
    row("pictures shown per second", 2, |side| side.fps);
    row("longest gap between two, ms", 0, |side| side.worst_gap_ms);
    row("pictures whose number was sent, %", 2, |side| side.known * 100.0);
    row("pictures of full size, %", 1, |side| side.full_size * 100.0);
    row("seconds with smaller ones: slow machine, %", 1, |side| side.limited[0] * 100.0);
    row("seconds with smaller ones: narrow path, %", 1, |side| side.limited[1] * 100.0);
    row("capture to display, p50, ms", 1, |side| side.latency_ms[0]);
    row("capture to display, p95, ms", 1, |side| side.latency_ms[1]);
    row("SSIM, p50", 3, |side| side.ssim[0]);
    row("SSIM, p5", 3, |side| side.ssim[1]);
    row("sent, kbit/s, p50", 0, |side| side.sent_kbps);
    row("sound: likeness, p50", 3, |side| side.likeness);
    row("sound: microphone to speaker, p50, ms", 0, |side| side.sound_delay_ms);
    row("processor seconds in the minute", 1, |side| side.used.cpu.as_secs_f64());
    row("peak memory, MiB", 0, |side| f64::from(u32::try_from(side.used.peak_memory_kib / 1024).unwrap_or(u32::MAX)));
    table.publish(scene)
}

/// The server is killed in the middle of a call and comes back empty: picture and sound go on, and a hang-up said through
/// the new server arrives.
#[test]
fn call_survives_server_restart() -> Outcome {
    let scene = Scene::open("call_survives_server_restart")?;
    let mut server = Server::start(&scene)?;
    let mut pair = Pair::connect(&scene, &server, &PeerSetup::default(), &PeerSetup::default())?;
    server.kill()?;
    let killed = unix_us();
    for peer in [&mut pair.a, &mut pair.b] {
        peer.wait_stats("signaling to be missed", killed, CONNECT_LIMIT, |line| line.signaling == Some(false))?;
    }
    pair.both_see(90)?;
    pair.both_hear()?;
    let _again = server.start_again(&scene, "server-again")?;
    let again = unix_us();
    for peer in [&mut pair.a, &mut pair.b] {
        let limit = Duration::from_secs(60);
        peer.wait_stats("signaling to resume", again, limit, |line| line.signaling == Some(true))?;
    }
    pair.both_see(30)?;
    for peer in [&pair.a, &pair.b] {
        let reconnects = peer.events()?.iter().filter(|event| event.name == "reconnecting").count();
        ensure!(reconnects == 0, "the connection was lost {reconnects} times although only the server was away");
    }
    // Said through the new server.
    pair.a.end()?;
    pair.b.process.wait_end(CONNECT_LIMIT).map(|_| ())
}

/// Who is told to end says so, and the other side's call ends too.
#[test]
fn call_bye_ends_both() -> Outcome {
    let scene = Scene::open("call_bye_ends_both")?;
    let server = Server::start(&scene)?;
    let mut pair = Pair::connect(&scene, &server, &PeerSetup::default(), &PeerSetup::default())?;
    pair.a.end()?;
    let status = pair.b.process.wait_end(Duration::from_secs(10))?;
    ensure!(status.success(), "b ended with {status} when the other side hung up\n{}", pair.b.process.tail());
    Ok(())
}

/// The other side vanishes without a word and comes back by the same link: the one who stayed sees it again.
#[test]
fn call_takes_back_who_crashed() -> Outcome {
    let scene = Scene::open("call_takes_back_who_crashed")?;
    let server = Server::start(&scene)?;
    let (mut a, link) = Peer::host(&scene, "a", &PeerSetup::default(), &server.url())?;
    // Nobody but the same device may take up a call again.
    let keys = scene.scratch("b.keys").display().to_string();
    let same = PeerSetup { more: vec!["--identity".into(), keys], ..PeerSetup::default() };
    let mut b = Peer::join(&scene, "b", &same, &link)?;
    a.wait_pictures(30, CONNECT_LIMIT)?;
    b.process.kill()?;
    let mut again = Peer::join(&scene, "b-again", &same, &link)?;
    again.wait_pictures(30, Duration::from_secs(60))?;
    a.wait_pictures(30, CONNECT_LIMIT)
}
