//! When somebody rings: a sound, a notification, and a small window while the main one is not in front.

mod notice;
mod sound;
mod watch;
mod window;

use std::sync::{Mutex, MutexGuard, PoisonError};

use eyeline_engine::view::People;
use eyeline_media::audio::SpeakerSink;
use tauri::{AppHandle, Manager};

use crate::desktop::Desktop;
use crate::ringing::notice::Notice;
use crate::ringing::sound::RingSound;
use crate::ringing::watch::{Alert, Watch};
use crate::window::is_in_front;

/// What follows from a ring. Windows and notifications are touched on the main thread only, the rest under a lock.
pub(crate) struct Ringing {
    with_sound: bool,
    state: Mutex<State>,
}

struct State {
    watch: Watch,
    sound: Option<RingSound>,
    /// The small window is wanted. Not when the user closed it during this ring.
    window: bool,
}

impl Ringing {
    /// Nobody rings. Calls missed before `now_unix_ms` are no news.
    pub(crate) fn new(with_sound: bool, now_unix_ms: i64) -> Self {
        let state = State { watch: Watch::new(now_unix_ms), sound: None, window: false };
        Self { with_sound, state: Mutex::new(state) }
    }

    /// Takes what the engine shows and does what follows from it.
    pub(crate) fn see(&self, app: &AppHandle, people: &People) {
        let alerts = self.lock().watch.see(people);
        for alert in alerts {
            match alert {
                Alert::Rings { name } => self.begin(app, name),
                Alert::RingOver => self.end(app),
                Alert::Missed { name } => notify_unless_seen(app, Notice::Missed { name }),
            }
        }
    }

    /// The main window came to the front, or went from it.
    pub(crate) fn main_window_moved(app: &AppHandle) {
        on_main_thread(app, Self::settle_window);
    }

    /// The user closed the small window: it stays away and it is quiet until the next ring. The ring goes on.
    fn hush(&self) {
        let mut state = self.lock();
        state.window = false;
        state.sound = None;
    }

    fn begin(&self, app: &AppHandle, name: String) {
        let sink = sink(&app.state::<Desktop>().settings().speaker);
        let mut state = self.lock();
        state.sound = self.with_sound.then(|| RingSound::start(sink));
        state.window = true;
        drop(state);
        on_main_thread(app, Self::settle_window);
        notify_unless_seen(app, Notice::Ring { name });
    }

    fn end(&self, app: &AppHandle) {
        let mut state = self.lock();
        state.sound = None;
        state.window = false;
        drop(state);
        on_main_thread(app, |app| {
            Self::settle_window(app);
            notice::withdraw_ring();
        });
    }

    /// Shows the small window or takes it away.
    fn settle_window(app: &AppHandle) {
        let wanted = app.state::<Self>().lock().window;
        let result = if wanted && !is_in_front(app) { window::show(app) } else { window::close(app) };
        if let Err(error) = result {
            tracing::warn!(%error, "the window for a ring");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notifies of what the user cannot see in front of them already.
fn notify_unless_seen(app: &AppHandle, notice: Notice) {
    on_main_thread(app, move |app| {
        if !is_in_front(app) {
            notice::show(app, notice);
        }
    });
}

fn on_main_thread(app: &AppHandle, task: impl FnOnce(&AppHandle) + Send + 'static) {
    let handle = app.clone();
    if let Err(error) = app.run_on_main_thread(move || task(&handle)) {
        tracing::debug!(%error, "the app is closing");
    }
}

fn sink(choice: &str) -> SpeakerSink {
    match choice.parse() {
        Ok(sink) => sink,
    }
}
