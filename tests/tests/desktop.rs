//! Two windows of the desktop app, used through their pages and seen on a screen.

use eyeline_tests::desktop::{App, AppSetup};
use eyeline_tests::display::{Display, changed};
use eyeline_tests::peer::unix_us;
use eyeline_tests::report::{say, skipped};
use eyeline_tests::server::Server;
use eyeline_tests::{Outcome, Scene, ensure};

/// Taller than 16:9, so that the bar with the other side's name does not cover the picture's top, where its number is.
const WINDOW: (usize, usize) = (800, 640);

fn setup(place: usize, surface: &str, more: &[&str]) -> AppSetup {
    let (width, height) = WINDOW;
    let more = more.iter().map(ToString::to_string).collect();
    AppSetup { x: place * width, width, height, surface: surface.into(), more }
}

fn display_or_skip(scene: &Scene) -> Outcome<Option<Display>> {
    if let Some(lack) = App::lacks() {
        skipped(scene.name(), lack);
        return Ok(None);
    }
    Display::start(scene, 2 * WINDOW.0, WINDOW.1).map(Some)
}

/// A whole call as two people make it: start, copy the link, join, see each other, mute, turn the camera off, hang up.
#[test]
fn desktop_call_from_start_to_end() -> Outcome {
    let scene = Scene::open("desktop_call_from_start_to_end")?;
    let Some(display) = display_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start(&scene)?;
    let mut ada = App::open(&scene, &display, "Ada", &setup(0, "native", &["--server", &server.url()]))?;
    let mut ben = App::open(&scene, &display, "Ben", &setup(1, "native", &[]))?;
    ada.keep(&scene, &display, "home")?;

    ada.click("start-call")?;
    ada.wait_element("lobby-go", "true")?;
    ada.keep(&scene, &display, "lobby")?;
    ada.click("lobby-go")?;
    ada.wait_element("waiting-link", "element.value.includes('/j#')")?;
    ada.keep(&scene, &display, "waiting")?;
    ada.click("waiting-copy")?;
    ada.wait_element("waiting-copy", "element.dataset.state === 'on'")?;
    let link = ada.wait_element("waiting-link", "element.value")?;

    ben.type_into("join-link", link.as_str().unwrap_or(""))?;
    ben.click("join")?;
    ben.click("lobby-go")?;
    for (app, other) in [(&mut ada, "Ben"), (&mut ben, "Ada")] {
        app.wait_element("remote-name", &format!("element.textContent.trim() === '{other}'"))?;
        app.wait_element("call-state", "element.dataset.state === 'connected'")?;
    }
    for app in [&mut ada, &mut ben] {
        sees_the_test_pattern(&scene, &display, app)?;
    }
    ada.keep(&scene, &display, "call-ada")?;
    ben.keep(&scene, &display, "call-ben")?;

    quality_shows(&scene, &display, &mut ada)?;
    mute_shows(&mut ada, &mut ben)?;
    camera_off_shows(&scene, &display, &mut ada, &mut ben)?;

    ben.script("document.querySelector('[data-testid=\"call-hang-up\"]').click()")?;
    ben.wait_element("ended-reason", "element.dataset.reason === 'hung_up'")?;
    ada.wait_element("ended-reason", "element.dataset.reason === 'remote_hung_up'")?;
    ada.keep(&scene, &display, "ended")?;
    ada.click("ended-home")?;
    ada.wait_element("start-call", "true")?;
    Ok(())
}

/// The panel asks the engine, says something, draws figures that are known, and copies them.
fn quality_shows(scene: &Scene, display: &Display, app: &mut App) -> Outcome {
    app.press("call-quality")?;
    app.wait_element("quality-verdict", "element.textContent.trim().length > 5")?;
    app.wait_element("quality-plot-latency", "element.querySelector('path.first').getAttribute('d').includes('L')")?;
    app.wait_element("quality-picture", "/1280×720|960×540|640×360/.test(element.textContent)")?;
    app.wait_element("quality-machine", "/% of one processor/.test(element.textContent)")?;
    app.keep(scene, display, "quality")?;
    app.press("quality-copy")?;
    app.wait_element("quality-copy", "element.dataset.state === 'on'")?;
    app.press("quality-close")
}

/// The screen shows frame numbers of the other side's test pattern, and they go up as time does.
fn sees_the_test_pattern(scene: &Scene, display: &Display, app: &mut App) -> Outcome {
    let area = app.remote_area()?;
    let (first, first_us) = (app.wait_number(scene, display)?, unix_us());
    let before = display.look(scene, area)?;
    app.wait_stats("another second of call", first_us, |line| {
        line.phase == "in_call" && line.stats.received_fps > 5.0
    })?;
    let (second, second_us) = (app.wait_number(scene, display)?, unix_us());
    let after = display.look(scene, area)?;
    let frames = i64::from(second) - i64::from(first);
    // Thirty a second are sent; looking takes its time, so the bounds are wide.
    let due = (second_us - first_us) * 30 / 1_000_000;
    ensure!(
        frames > 0 && frames < 3 * due + 60,
        "the frame number went from {first} to {second}, about {due} more was due"
    );
    let moved = changed(&before, &after);
    ensure!(moved > 0.01, "the picture stands still: {moved:.4} of it changed");
    Ok(())
}

fn mute_shows(ada: &mut App, ben: &mut App) -> Outcome {
    // By script: the controls step back when nobody moves the mouse, and WebDriver only clicks what is in sight.
    ada.script("document.querySelector('[data-testid=\"call-microphone\"]').click()")?;
    ben.wait_element("remote-muted", "true")?;
    let now = unix_us();
    ben.wait_stats("the other side's silence", now, |line| line.levels.remote < 0.02 && !line.remote.microphone_on)?;
    ada.script("document.querySelector('[data-testid=\"call-microphone\"]').click()")?;
    ben.wait_gone("remote-muted")?;
    let now = unix_us();
    ben.wait_stats("the other side's sound", now, |line| line.levels.remote > 0.1)?;
    Ok(())
}

fn camera_off_shows(scene: &Scene, display: &Display, ada: &mut App, ben: &mut App) -> Outcome {
    ada.script("document.querySelector('[data-testid=\"call-camera\"]').click()")?;
    ben.wait_element("remote-avatar", "true")?;
    let now = unix_us();
    ben.wait_stats("no pictures", now, |line| line.stats.received_fps < 0.5 && !line.remote.camera_on)?;
    ben.keep(scene, display, "camera-off")?;
    ada.script("document.querySelector('[data-testid=\"call-camera\"]').click()")?;
    ben.wait_gone("remote-avatar")?;
    sees_the_test_pattern(scene, display, ben)
}

/// Pictures through the page's own canvas, where the system cannot draw them under the page.
#[test]
fn desktop_call_on_canvas() -> Outcome {
    let scene = Scene::open("desktop_call_on_canvas")?;
    let Some(display) = display_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start(&scene)?;
    let link_file = scene.path("link");
    let host = ["--server", &server.url(), "--host", "--link-file", &link_file.display().to_string()];
    let mut ada = App::open(&scene, &display, "Ada", &setup(0, "canvas", &host))?;
    ada.wait_element("waiting-link", "element.value.includes('/j#')")?;
    let link = std::fs::read_to_string(&link_file)?;
    let mut ben = App::open(&scene, &display, "Ben", &setup(1, "canvas", &["--join", link.trim()]))?;
    for app in [&mut ada, &mut ben] {
        app.wait_element("call-state", "element.dataset.state === 'connected'")?;
        sees_the_test_pattern(&scene, &display, app)?;
    }
    ada.keep(&scene, &display, "call-ada")?;
    ben.keep(&scene, &display, "call-ben")
}

/// With no server set, the app hosts the call itself, and the link leads to it.
#[test]
fn desktop_hosts_a_call_without_a_server() -> Outcome {
    let scene = Scene::open("desktop_hosts_a_call_without_a_server")?;
    let Some(display) = display_or_skip(&scene)? else { return Ok(()) };
    let mut ada = App::open(&scene, &display, "Ada", &setup(0, "native", &["--host"]))?;
    let link = ada.wait_element("waiting-link", "element.value.includes('/j#') && element.value")?;
    let link = link.as_str().unwrap_or("");
    ensure!(link.starts_with("http://"), "a call hosted in the app is reached without TLS, but the link is {link}");
    let mut ben = App::open(&scene, &display, "Ben", &setup(1, "native", &["--join", link]))?;
    for app in [&mut ada, &mut ben] {
        app.wait_element("call-state", "element.dataset.state === 'connected'")?;
        app.wait_stats("pictures", 0, |line| line.stats.received_fps > 5.0)?;
    }
    let first = ada.stats()?.iter().rev().find_map(|line| line.stats.first_picture_ms);
    say(&format!("desktop_hosts_a_call_without_a_server: first picture after {first:?} ms"));
    Ok(())
}

/// What is not a link is said to be none, in the page and from the command line.
#[test]
fn desktop_bad_link_is_said() -> Outcome {
    let scene = Scene::open("desktop_bad_link_is_said")?;
    let Some(display) = display_or_skip(&scene)? else { return Ok(()) };
    let mut ada = App::open(&scene, &display, "Ada", &setup(0, "native", &[]))?;
    ada.type_into("join-link", "https://example.org/no-link")?;
    ada.click("join")?;
    ada.wait_element("join-complaint", "element.textContent.trim() !== ''")?;
    ada.keep(&scene, &display, "complaint")?;
    let mut ben = App::open(&scene, &display, "Ben", &setup(1, "native", &["--join", "not-a-link"]))?;
    ben.wait_element("ended-reason", "element.dataset.reason === 'bad_link'")?;
    ben.keep(&scene, &display, "ended")
}
