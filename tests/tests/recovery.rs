//! A call that breaks comes back by itself.

use std::time::Duration;

use eyeline_tests::binaries::installed;
use eyeline_tests::lan::{Host, Lan, lan_or_skip};
use eyeline_tests::logs::count;
use eyeline_tests::pair::Pair;
use eyeline_tests::peer::{PeerSetup, unix_us};
use eyeline_tests::report::{Table, skipped};
use eyeline_tests::server::Server;
use eyeline_tests::{Outcome, Scene, ensure, wait_for};

/// Two peers on two machines, and their server on a third.
struct Broken {
    scene: Scene,
    lan: Lan,
    pair: Pair,
    _server: Server,
}

impl Broken {
    /// A call that runs; `None` where this machine cannot make networks.
    fn call(name: &'static str, prepare: impl FnOnce(&Lan) -> Outcome) -> Outcome<Option<Self>> {
        let scene = Scene::open(name)?;
        let Some(lan) = lan_or_skip(&scene)? else { return Ok(None) };
        prepare(&lan)?;
        // A relay over TCP would make up for the outage; `recovery_udp_blocked_mid_call` is about that.
        let server = Server::start_with(&scene, "server", &lan.server, (Lan::SERVER_ADDRESS, 0), &["--no-relay"])?;
        let pair = Pair::connect(&scene, &server, &PeerSetup::on(&lan.a), &PeerSetup::on(&lan.b))?;
        Ok(Some(Self { scene, lan, pair, _server: server }))
    }

    /// After the network was mended at `mended` (or changed): both sides see and hear again, and how soon is told.
    fn comes_back(&mut self, mended: i64) -> Outcome {
        self.pair.both_see(60)?;
        self.pair.both_hear()?;
        let mut table = Table::new(&["a", "b"]);
        let (mut back, mut longest) = (Vec::new(), Vec::new());
        for peer in [&self.pair.a, &self.pair.b] {
            let shown = peer.frames()?.shown;
            let first = shown.iter().find(|shown| shown.unix_us >= mended).map_or(mended, |shown| shown.unix_us);
            back.push(milliseconds(first - mended)?);
            let gap = shown.windows(2).map(|pair| pair[1].unix_us - pair[0].unix_us).max().unwrap_or(0);
            longest.push(milliseconds(gap)?);
        }
        table.row("first picture after the network was there, ms", &back);
        table.row("longest time without a picture, ms", &longest);
        table.publish(&self.scene)
    }
}

fn milliseconds(us: i64) -> Outcome<String> {
    Ok(format!("{:.0}", count(usize::try_from(us)?) / 1000.0))
}

fn pass(seconds: i64) -> Outcome {
    let until = unix_us() + seconds * 1_000_000;
    let limit = Duration::from_secs(60);
    wait_for("time to pass", limit, || Ok((unix_us() > until).then_some(())))
}

/// All UDP is lost for five seconds.
#[test]
fn recovery_from_an_outage() -> Outcome {
    let Some(mut call) = Broken::call("recovery_from_an_outage", |_| Ok(()))? else { return Ok(()) };
    let blocked_at = unix_us();
    let blocked = call.lan.a.block_udp()?;
    pass(5)?;
    drop(blocked);
    let open_at = unix_us();
    call.comes_back(open_at)?;
    let mut said = false;
    for peer in [&call.pair.a, &call.pair.b] {
        let shown = peer.frames()?.shown;
        let during = shown.iter().filter(|shown| (blocked_at + 500_000..open_at).contains(&shown.unix_us)).count();
        ensure!(during == 0, "{during} pictures came through a network that carries none: the block does not work");
        said |= peer.events()?.iter().any(|event| event.name == "reconnecting");
    }
    // Whoever notices second may be told to restart before it does, and has nothing to say then.
    ensure!(said, "neither peer said that it was reconnecting");
    Ok(())
}

/// A machine gets another address, as with a new lease; its connection to the server breaks with it.
#[test]
fn recovery_from_a_change_of_address() -> Outcome {
    let Some(mut call) = Broken::call("recovery_from_a_change_of_address", |_| Ok(()))? else { return Ok(()) };
    call.lan.b.run("ip", &["address", "flush", "dev", "eth0"])?;
    call.lan.b.run("ip", &["address", "add", "10.77.0.33/24", "dev", "eth0"])?;
    call.lan.b.run("ip", &["route", "add", "default", "via", Lan::SERVER_ADDRESS])?;
    call.comes_back(unix_us())
}

/// The cable is pulled from a machine that has another way out.
#[test]
fn recovery_from_a_change_of_interface() -> Outcome {
    let two = |lan: &Lan| lan.cable(&lan.b, "b2", "wlan0", "10.77.0.53/24");
    let Some(mut call) = Broken::call("recovery_from_a_change_of_interface", two)? else { return Ok(()) };
    call.lan.b.run("ip", &["link", "set", "eth0", "down"])?;
    // Or Linux would go on taking what is sent to this address, from the other cable.
    call.lan.b.run("ip", &["address", "flush", "dev", "eth0"])?;
    call.comes_back(unix_us())
}

/// A router forgets its mappings: packets of one side come from another port from one moment to the next.
#[test]
fn recovery_from_nat_rebinding() -> Outcome {
    if !installed("conntrack") {
        skipped("recovery_from_nat_rebinding", "conntrack is not installed");
        return Ok(());
    }
    let first = |lan: &Lan| map_ports(&lan.b, "20000-29999");
    let Some(mut call) = Broken::call("recovery_from_nat_rebinding", first)? else { return Ok(()) };
    call.lan.b.run("nft", &["flush ruleset"])?;
    map_ports(&call.lan.b, "40000-49999")?;
    call.lan.b.run("conntrack", &["-F"])?;
    call.comes_back(unix_us())
}

/// UDP leaves this machine from other ports than it was sent from.
fn map_ports(host: &Host, ports: &str) -> Outcome {
    let rule = format!("type nat hook postrouting priority 100; meta l4proto udp masquerade to :{ports} random");
    host.run("nft", &[&format!("table ip nat {{ chain post {{ {rule}\n}}\n}}")]).map(|_| ())
}

/// A laptop's lid is shut for ten seconds.
#[test]
fn recovery_from_sleep() -> Outcome {
    let Some(mut call) = Broken::call("recovery_from_sleep", |_| Ok(()))? else { return Ok(()) };
    let sleeper = call.pair.b.process.id().to_string();
    call.lan.b.run("kill", &["-STOP", &sleeper])?;
    pass(10)?;
    call.lan.b.run("kill", &["-CONT", &sleeper])?;
    call.comes_back(unix_us())
}
