//! A window of the desktop app, as its user sees and uses it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::binaries::Binary;
use crate::display::{Area, Display};
use crate::logs::{self, Stats};
use crate::picture::{CODE_BLOCKS, Luma};
use crate::webdriver::Window;
use crate::{Failure, Outcome, Scene, wait_for};

/// Long enough for anything that follows a click.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// The entries of the list of contacts.
const CONTACTS: &str = "[data-testid^=\"contact-\"][data-online]";

/// How a window is opened.
#[derive(Clone, Debug)]
pub struct AppSetup {
    /// Left edge on the screen.
    pub x: usize,
    /// Width of the page.
    pub width: usize,
    /// Height of the page.
    pub height: usize,
    /// `native` or `canvas`.
    pub surface: String,
    /// More arguments.
    pub more: Vec<String>,
}

/// A running window with built-in devices and a profile of its own.
pub struct App {
    window: Window,
    area: Area,
    stats: PathBuf,
}

impl App {
    /// What this machine lacks for it, in words.
    pub fn lacks() -> Option<&'static str> {
        Display::lacks().or_else(Window::lacks)
    }

    /// Opens a window at the top of the screen.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn open(scene: &Scene, display: &Display, name: &str, setup: &AppSetup) -> Outcome<Self> {
        let stats = scene.path(&format!("{name}.stats.jsonl"));
        let mut arguments: Vec<String> = Vec::new();
        let mut argument = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        argument("--profile", scene.scratch(&format!("{name}-profile")).display().to_string());
        argument("--name", name.into());
        argument("--geometry", format!("{}x{}+{}+0", setup.width, setup.height, setup.x));
        argument("--surface", setup.surface.clone());
        argument("--stats", stats.display().to_string());
        for (flag, value) in [("--camera", "test-pattern"), ("--microphone", "tone"), ("--speaker", "null")] {
            argument(flag, value.into());
        }
        arguments.extend(setup.more.iter().cloned());
        let mut window = Window::open(scene, name, &Binary::Desktop.path()?, &arguments, &display.environment())?;
        window.wait_script("the page to be drawn", STEP_LIMIT, "return document.body.innerText.trim() !== ''")?;
        let area = Area { x: setup.x, y: 0, width: setup.width, height: setup.height };
        Ok(Self { window, area, stats })
    }

    /// Clicks what carries this test id.
    ///
    /// # Errors
    /// When it is not there or cannot be clicked.
    pub fn click(&mut self, test_id: &str) -> Outcome {
        self.window.click(&selector(test_id), STEP_LIMIT)
    }

    /// Presses the button of this test id by script, once it is there and can be pressed: the controls of a call step back
    /// when nobody moves the mouse, and WebDriver only clicks what is in sight.
    ///
    /// # Errors
    /// When it does not come.
    pub fn press(&mut self, test_id: &str) -> Outcome {
        self.wait_element(test_id, "!element.disabled && (element.click(), true)").map(|_| ())
    }

    /// Waits for an element as [`Self::wait_element`] does, and returns the text that `expression` is about it.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_text(&mut self, test_id: &str, expression: &str) -> Outcome<String> {
        let text = self.wait_element(test_id, expression)?;
        text.as_str().map(Into::into).ok_or_else(|| Failure::new(format!("not a text: {text}")))
    }

    /// Waits until the only contact is listed and `condition` holds of it.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_contact(&mut self, condition: &str) -> Outcome {
        let script = format!(
            "const all = document.querySelectorAll('{CONTACTS}'); const element = all[0];
             return all.length === 1 && ({condition})"
        );
        self.window.wait_script(&format!("one contact with {condition}"), STEP_LIMIT, &script).map(|_| ())
    }

    /// Opens the page of the only contact.
    ///
    /// # Errors
    /// When there is not one.
    pub fn open_contact(&mut self) -> Outcome {
        self.wait_contact("(element.click(), true)")
    }

    /// Rings the only contact.
    ///
    /// # Errors
    /// When there is not one.
    pub fn ring_contact(&mut self) -> Outcome {
        self.window.click("[data-testid^=\"contact-ring-\"]", STEP_LIMIT)
    }

    /// Types into the field of this test id, in place of what is in it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn type_into(&self, test_id: &str, text: &str) -> Outcome {
        self.window.type_into(&selector(test_id), text, STEP_LIMIT)
    }

    /// Waits until the element of this test id is there and `condition`, a JavaScript expression about `element`, holds.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_element(&mut self, test_id: &str, condition: &str) -> Outcome<Value> {
        let script = format!(
            "const element = document.querySelector('{}'); return element === null ? null : {condition}",
            selector(test_id)
        );
        self.window.wait_script(&format!("{test_id} with {condition}"), STEP_LIMIT, &script)
    }

    /// Waits until there is no element of this test id.
    ///
    /// # Errors
    /// When it stays.
    pub fn wait_gone(&mut self, test_id: &str) -> Outcome {
        let script = format!("return document.querySelector('{}') === null", selector(test_id));
        self.window.wait_script(&format!("{test_id} to go"), STEP_LIMIT, &script).map(|_| ())
    }

    /// Runs a script in the page.
    ///
    /// # Errors
    /// When it throws.
    pub fn script(&self, script: &str) -> Outcome<Value> {
        self.window.script(script)
    }

    /// Where the other side's picture (16:9) is on the screen.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn remote_area(&mut self) -> Outcome<Area> {
        let rectangle = self.wait_element(
            "tile-remote",
            "(r => r.width > 0 && [r.x, r.y, r.width, r.height].map(Math.round))(element.getBoundingClientRect())",
        )?;
        let sides: Option<Vec<usize>> = rectangle
            .as_array()
            .map(|sides| sides.iter().filter_map(|side| usize::try_from(side.as_u64()?).ok()).collect());
        let Some([x, y, width, height]) = sides.as_deref() else {
            return Err(Failure::new(format!("not a rectangle: {rectangle}")));
        };
        // The whole picture is fitted into its tile, in the middle.
        let (fit_width, fit_height) = ((*width).min(height * 16 / 9), (*height).min(width * 9 / 16));
        Ok(Area {
            x: self.area.x + x + (width - fit_width) / 2,
            y: self.area.y + y + (height - fit_height) / 2,
            width: fit_width,
            height: fit_height,
        })
    }

    /// Keeps a picture of the window as `NAME.png` among the logs, once what the page drew last is on the screen.
    ///
    /// # Errors
    /// When the picture cannot be taken.
    pub fn keep(&self, scene: &Scene, display: &Display, name: &str) -> Outcome {
        self.window.wait_drawn()?;
        display.keep(scene, self.area, name)
    }

    /// Waits until the screen shows the other side's test pattern with a number that can be read, and returns the number.
    ///
    /// # Errors
    /// When no such picture comes.
    pub fn wait_number(&mut self, scene: &Scene, display: &Display) -> Outcome<u32> {
        let area = self.remote_area()?;
        let number = wait_for("a frame number on the screen", STEP_LIMIT, || {
            let picture = display.look(scene, area)?;
            Ok(number_of(&picture))
        });
        number.map_err(|failure| failure.with(&self.window.process().tail()))
    }

    /// `--stats` so far.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn stats(&self) -> Outcome<Vec<Stats>> {
        logs::stats(&self.stats)
    }

    /// Waits for a line of its stats after `since`, unix microseconds.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn wait_stats(&mut self, what: &str, since: i64, wanted: impl Fn(&Stats) -> bool) -> Outcome<Stats> {
        let found = wait_for(what, STEP_LIMIT, || {
            Ok(logs::stats(&self.stats)?.into_iter().find(|line| line.unix_us > since && wanted(line)))
        });
        found.map_err(|failure| failure.with(&self.window.process().tail()))
    }
}

/// The number in a picture of the test pattern, if it is one: the blocks must be black or white and not all the same, which
/// a plain background would be.
fn number_of(picture: &Luma) -> Option<u32> {
    let code = picture.code();
    let white = code.lumas().iter().filter(|luma| **luma > 128).count();
    code.number().filter(|_| white > 0 && white < CODE_BLOCKS)
}

fn selector(test_id: &str) -> String {
    format!("[data-testid=\"{test_id}\"]")
}
