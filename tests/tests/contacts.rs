//! Two people with a window each who become contacts: by a code, by the emoji, by ringing, over restarts and new keys.

use std::fs;

use eyeline_tests::desktop::{App, AppSetup};
use eyeline_tests::display::Display;
use eyeline_tests::memory::Memory;
use eyeline_tests::needles::Needles;
use eyeline_tests::report::skipped;
use eyeline_tests::server::Server;
use eyeline_tests::{Failure, Outcome, Scene, ensure};

/// Room for the list of contacts beside the rest.
const WINDOW: (usize, usize) = (1000, 700);
/// Name and left edge of each. The names are like no others, to be looked for.
const SIDES: [(&str, usize); 2] = [("Ada-Quittenbaum", 0), ("Ben-Zwetschgenmus", WINDOW.0)];

/// Ada's and Ben's screens and the server that both have in their settings.
struct Pair<'a> {
    scene: &'a Scene,
    display: Display,
    server: Server,
    ada: App,
    ben: App,
}

impl<'a> Pair<'a> {
    fn open_or_skip(scene: &'a Scene) -> Outcome<Option<Self>> {
        if let Some(lack) = App::lacks() {
            skipped(scene.name(), lack);
            return Ok(None);
        }
        let display = Display::start(scene, 2 * WINDOW.0, WINDOW.1)?;
        let server = Server::start(scene)?;
        let [ada, ben] = [0, 1].map(|side| open(scene, &display, &server, side));
        Ok(Some(Self { scene, ada: ada?, ben: ben?, display, server }))
    }

    fn both(&mut self) -> [&mut App; 2] {
        [&mut self.ada, &mut self.ben]
    }

    /// Keeps pictures of both windows.
    fn keep(&self, name: &str) -> Outcome {
        self.ada.keep(self.scene, &self.display, &format!("{name}-ada"))?;
        self.ben.keep(self.scene, &self.display, &format!("{name}-ben"))
    }

    /// Ada starts with a code, Ben types it.
    fn call_by_code(&mut self) -> Outcome {
        self.ada.click("start-code")?;
        self.ada.click("lobby-go")?;
        let code = self.ada.wait_text("waiting-code", "element.dataset.code")?;
        self.keep("code")?;
        self.ben.type_into("join-link", &code.replace('-', " "))?;
        self.ben.click("join")?;
        self.ben.click("lobby-go")?;
        self.connected()
    }

    fn connected(&mut self) -> Outcome {
        for app in self.both() {
            app.wait_element("call-state", "element.dataset.state === 'connected'")?;
            app.wait_element("call-identity", "true")?;
        }
        Ok(())
    }

    /// The other side's test pattern is on both screens.
    fn see_each_other(&mut self) -> Outcome {
        for app in [&mut self.ada, &mut self.ben] {
            app.wait_number(self.scene, &self.display)?;
        }
        Ok(())
    }

    /// Both look at the emoji, which are the same, and say so.
    fn compare(&mut self) -> Outcome {
        let mut shown = Vec::new();
        for app in self.both() {
            app.press("call-identity")?;
            shown.push(app.wait_text("sas", "element.querySelectorAll('li').length === 5 && element.innerText")?);
        }
        ensure!(shown[0] == shown[1], "Ada is shown {:?}, Ben {:?}", shown[0], shown[1]);
        self.keep("emoji")?;
        for app in self.both() {
            app.wait_element("call-identity", "element.dataset.trust === 'invited'")?;
            app.press("sas-match")?;
            app.wait_element("call-identity", "element.dataset.trust === 'verified'")?;
        }
        Ok(())
    }

    /// Ada asks, Ben agrees; what they compared is open on both sides.
    fn become_contacts(&mut self) -> Outcome {
        self.ada.press("contact-ask")?;
        self.ben.press("contact-accept")?;
        for app in self.both() {
            app.wait_element("contact-exchange", "element.dataset.state === 'added'")?;
        }
        self.keep("contacts")
    }

    /// `Ada` hangs up, and both are back at the list of contacts.
    fn hang_up(&mut self) -> Outcome {
        self.ada.press("call-hang-up")?;
        for app in self.both() {
            app.press("ended-home")?;
        }
        Ok(())
    }

    /// Both see the other online.
    fn online(&mut self) -> Outcome {
        for app in self.both() {
            app.wait_contact("element.dataset.online === 'yes'")?;
        }
        Ok(())
    }

    /// Ada rings Ben and hears that it rings there.
    fn ring(&mut self) -> Outcome {
        self.ada.ring_contact()?;
        self.ben.wait_element("incoming", "element.innerText.includes('Ada-Quittenbaum')")?;
        self.ada.wait_element("ringing", "element.dataset.state === 'ringing'").map(|_| ())
    }

    /// Ada rings, Ben accepts, and they see each other, each knowing who it is.
    fn ring_and_talk(&mut self) -> Outcome {
        self.ring()?;
        self.keep("ring")?;
        self.ben.click("ring-accept-camera")?;
        self.connected()?;
        for app in self.both() {
            app.wait_element("call-identity", "element.dataset.trust === 'verified'")?;
        }
        self.see_each_other()
    }

    /// Neither name is in the server's memory, after all that went through it.
    fn server_knows_nobody(&mut self) -> Outcome {
        let (mut names, mut control) = (Needles::default(), Needles::default());
        for (name, _) in SIDES {
            names.add(name, name.as_bytes());
        }
        control.add("protocol", eyeline_protocol::SUBPROTOCOL.as_bytes());
        let memory = Memory::of(self.server.process().id());
        let found = memory.find(&names)?;
        ensure!(found.is_empty(), "the server has in its memory: {found:?}");
        ensure!(memory.find(&control)?.has("protocol"), "not even what the server knows is found in its memory");
        Ok(())
    }

    /// Closes both windows and opens them again, `between` in between.
    fn restart(self, between: impl FnOnce(&Scene) -> Outcome) -> Outcome<Self> {
        let Self { scene, display, server, ada, ben } = self;
        drop((ada, ben));
        between(scene)?;
        let [ada, ben] = [0, 1].map(|side| open(scene, &display, &server, side));
        Ok(Self { scene, ada: ada?, ben: ben?, display, server })
    }
}

fn open(scene: &Scene, display: &Display, server: &Server, side: usize) -> Outcome<App> {
    let (name, x) = SIDES[side];
    let more = ["--server", &server.url(), "--no-ring-sound"].map(Into::into).into();
    App::open(scene, display, name, &AppSetup { x, width: WINDOW.0, height: WINDOW.1, surface: "native".into(), more })
}

/// From strangers with a telephone to people who ring each other and know whom they talk to, also after a restart.
#[test]
fn contacts_from_a_code_to_ringing() -> Outcome {
    let scene = Scene::open("contacts_from_a_code_to_ringing")?;
    let Some(mut pair) = Pair::open_or_skip(&scene)? else { return Ok(()) };
    pair.call_by_code()?;
    pair.see_each_other()?;
    pair.compare()?;
    pair.become_contacts()?;
    pair.hang_up()?;
    pair.online()?;
    pair.keep("online")?;

    pair.ring_and_talk()?;
    pair.keep("talk")?;
    pair.hang_up()?;

    let mut pair = pair.restart(|_| Ok(()))?;
    pair.online()?;
    pair.keep("restarted")?;
    for app in pair.both() {
        app.open_contact()?;
        app.wait_element("contact-verified", "element.dataset.state === 'yes'")?;
        app.click("contact-back")?;
    }
    pair.ring_and_talk()?;
    pair.server_knows_nobody()
}

/// Not everyone who is rung answers: they decline, are not quick enough, or do not want to be disturbed.
#[test]
fn contacts_ring_in_vain() -> Outcome {
    let scene = Scene::open("contacts_ring_in_vain")?;
    let Some(mut pair) = Pair::open_or_skip(&scene)? else { return Ok(()) };
    pair.call_by_code()?;
    for app in pair.both() {
        app.press("call-identity")?;
    }
    pair.become_contacts()?;
    pair.hang_up()?;
    pair.online()?;

    pair.ring()?;
    pair.ben.click("ring-decline")?;
    pair.ada.wait_element("ended-reason", "element.dataset.reason === 'declined'")?;
    pair.keep("declined")?;
    pair.ben.wait_gone("incoming")?;
    pair.ada.press("ended-home")?;
    ensure!(pair.ben.script(MISSED)?.is_null(), "a declined call is shown as missed");

    pair.ring()?;
    pair.ada.press("ring-cancel")?;
    pair.ben.wait_gone("incoming")?;
    pair.ben.wait_element("missed-badge", "element.textContent.trim().startsWith('1')")?;
    pair.keep("missed")?;
    pair.ada.press("ended-home")?;

    // It rings at the caller, and only there.
    pair.ben.click("do-not-disturb")?;
    pair.ben.wait_element("do-not-disturb", "element.dataset.state === 'on'")?;
    pair.ada.ring_contact()?;
    pair.ada.wait_element("ringing", "element.dataset.state === 'ringing'")?;
    pair.keep("undisturbed")?;
    ensure!(pair.ben.script(INCOMING)?.is_null(), "somebody is disturbed");
    pair.ada.press("ring-cancel")?;
    pair.ben.wait_element("missed-badge", "element.textContent.trim().startsWith('2')")?;
    ensure!(pair.ben.script(INCOMING)?.is_null(), "somebody is disturbed");
    Ok(())
}

const MISSED: &str = "return document.querySelector('[data-testid=\"missed-badge\"]')";
const INCOMING: &str = "return document.querySelector('[data-testid=\"incoming\"]')";

/// A contact who comes with another key is not taken for the one who was verified, whatever name it has.
#[test]
fn contacts_with_another_key_are_warned_of() -> Outcome {
    let scene = Scene::open("contacts_with_another_key_are_warned_of")?;
    let Some(mut pair) = Pair::open_or_skip(&scene)? else { return Ok(()) };
    pair.call_by_code()?;
    pair.compare()?;
    pair.become_contacts()?;
    pair.hang_up()?;
    pair.online()?;

    let mut pair = pair.restart(|scene| {
        let keys = scene.scratch(&format!("{}-profile", SIDES[1].0)).join("identity.key");
        fs::remove_file(&keys).map_err(|error| Failure::new(format!("{}: {error}", keys.display())))
    })?;
    pair.call_by_code()?;
    pair.ada.wait_element("trust-changed", "true")?;
    pair.ada.wait_element("call-identity", "element.dataset.trust === 'changed'")?;
    pair.keep("changed")?;
    // Ada kept her key, and Ben his list: he sees the one he knows.
    pair.ben.wait_element("call-identity", "element.dataset.trust === 'verified'")?;
    ensure!(
        pair.ben.script("return document.querySelector('[data-testid=\"trust-changed\"]')")?.is_null(),
        "Ben is warned of Ada, who has the key that she had"
    );
    Ok(())
}
