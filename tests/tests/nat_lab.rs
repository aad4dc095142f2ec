//! Every kind of address translation on both sides of a call.

use std::thread;

use eyeline_tests::crossing::{Crossed, Crossing};
use eyeline_tests::lan::{Lan, lan_or_skip};
use eyeline_tests::nat::{Behaviour, Home, Nat};
use eyeline_tests::nat_probe::Probe;
use eyeline_tests::report::Table;
use eyeline_tests::server::Server;
use eyeline_tests::{Failure, Outcome, Scene, ensure};

/// What a machine can be behind, from it outwards: one router of each kind, and one's own behind a provider's.
const PLACES: [&[Nat]; 6] = [
    &[Nat::FullCone],
    &[Nat::Restricted],
    &[Nat::PortRestricted],
    &[Nat::Symmetric],
    &[Nat::PortRestricted, Nat::FullCone],
    &[Nat::PortRestricted, Nat::Symmetric],
];

/// Calls at a time. All of them at once would measure the machine.
const AT_ONCE: usize = 3;

/// The routers map and filter as their names say, found out from behind and from outside.
#[test]
fn nat_kinds_are_what_they_say() -> Outcome {
    let scene = Scene::open("nat_kinds_are_what_they_say")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    let probe = Probe::open(&lan)?;
    let mut table = Table::new(&["mapping depends on", "filtering depends on"]);
    let mut wrong = Vec::new();
    for (number, routers) in (1..).zip(PLACES) {
        let home = Home::build(&lan, number, routers)?;
        let found = probe.behaviour(home.machine()).map_err(|failure| failure.while_doing(&name(routers)))?;
        table.row(&name(routers), &[format!("{:?}", found.mapping), format!("{:?}", found.filtering)]);
        if found != Behaviour::of(routers) {
            wrong.push(name(routers));
        }
    }
    table.publish(&scene)?;
    ensure!(wrong.is_empty(), "not what they say: {wrong:?}");
    Ok(())
}

/// Every pair of them connects: directly where that is possible, through the relay where it is not.
#[test]
fn nat_every_pair_connects() -> Outcome {
    let scene = Scene::open("nat_every_pair_connects")?;
    let Some(lan) = lan_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start_on(&scene, "server", &lan.server, Lan::SERVER_ADDRESS, 0)?;
    let side = |first| (first..).zip(PLACES).map(|(number, routers)| Home::build(&lan, number, routers));
    let a: Vec<Home> = side(1).collect::<Outcome<_>>()?;
    let b: Vec<Home> = side(11).collect::<Outcome<_>>()?;
    // Each place is in one call at a time.
    let pairs: Vec<(usize, usize)> = (0..PLACES.len())
        .flat_map(|step| (0..PLACES.len()).map(move |place| (place, (place + step) % PLACES.len())))
        .collect();
    let try_one = |(left, right): (usize, usize)| {
        let name = format!("{}_{}", name(PLACES[left]), name(PLACES[right])).replace(' ', "-");
        let machines = [a[left].machine(), b[right].machine()];
        Crossing { name, server: server.url(), machines, environment: Vec::new() }.run(&scene)
    };
    let mut tried = Vec::new();
    for together in pairs.chunks(AT_ONCE) {
        // Programs end with the thread that started them, so each call is made by one from its beginning to its end.
        let results = thread::scope(|scope| {
            let calls: Vec<_> = together.iter().map(|pair| scope.spawn(|| try_one(*pair))).collect();
            calls
                .into_iter()
                .map(|call| call.join().unwrap_or_else(|_| Err(Failure::new("panicked"))))
                .collect::<Vec<_>>()
        });
        tried.extend(together.iter().copied().zip(results));
    }
    judge(&scene, tried)
}

/// Writes the table and says which calls are not as theory has them.
fn judge(scene: &Scene, mut tried: Vec<((usize, usize), Outcome<Crossed>)>) -> Outcome {
    tried.sort_by_key(|(pair, _)| *pair);
    let mut table = Table::new(&["possible", "path of a", "of b", "first picture at a, ms", "at b, ms"]);
    let mut wrong = Vec::new();
    for ((left, right), result) in tried {
        let (a, b) = (PLACES[left], PLACES[right]);
        let label = format!("{} - {}", name(a), name(b));
        let possible = if Behaviour::of(a).reaches(Behaviour::of(b)) { "direct" } else { "relayed" };
        match result {
            Ok(crossed) => {
                table.row(&label, &[vec![possible.to_owned()], crossed.row()].concat());
                if crossed.paths != [possible, possible] {
                    wrong.push(format!("{label}: {:?} instead of {possible}", crossed.paths));
                }
            }
            Err(failure) => {
                table.row(&label, &[possible, "none", "none", "-", "-"].map(str::to_owned));
                wrong.push(format!("{label}: {failure:?}"));
            }
        }
    }
    table.publish(scene)?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn name(routers: &[Nat]) -> String {
    let names: Vec<String> = routers.iter().map(Nat::to_string).collect();
    names.join(" in ")
}
