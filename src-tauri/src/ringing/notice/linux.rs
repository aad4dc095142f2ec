//! Notifications by the Desktop Notifications Specification 1.2, over the session bus of GIO: it runs on GTK's main loop, so
//! that a bus that does not answer holds nothing up.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use gtk::gio::{self, BusType, Cancellable, DBusCallFlags, DBusConnection, DBusSignalFlags};
use gtk::glib::{self, ToVariant, Variant, VariantTy};
use tauri::AppHandle;

use super::Notice;
use crate::window;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// How long the notification server may take, milliseconds.
const ANSWER_MAX_MS: i32 = 5_000;

/// Notifications of ours whose clicks count; beyond that the oldest no longer does.
const OURS_MAX: usize = 16;

/// What is shown; only the main thread has it.
#[derive(Default)]
struct Shown {
    /// Numbers the server gave to our notifications, newest last.
    ours: VecDeque<u32>,
    ring: RingNotice,
    /// Clicks are listened for.
    listening: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RingNotice {
    #[default]
    None,
    /// Asked for, not there yet.
    Asked,
    /// The server gave it this number.
    There(u32),
}

thread_local! {
    static SHOWN: RefCell<Shown> = RefCell::default();
}

pub(super) fn show(app: &AppHandle, notice: Notice) {
    if matches!(notice, Notice::Ring { .. }) {
        SHOWN.with_borrow_mut(|shown| shown.ring = RingNotice::Asked);
    }
    let app = app.clone();
    with_bus(move |bus| {
        listen(bus, &app);
        let is_ring = matches!(notice, Notice::Ring { .. });
        call(bus, "Notify", &parameters(&notice), Some("(u)"), move |bus, answer| {
            if let Some((number,)) = answer.get::<(u32,)>() {
                arrived(bus, number, is_ring);
            }
        });
    });
}

pub(super) fn withdraw_ring() {
    let ring = SHOWN.with_borrow_mut(|shown| std::mem::take(&mut shown.ring));
    if let RingNotice::There(number) = ring {
        with_bus(move |bus| withdraw(bus, number));
    }
}

fn arrived(bus: &DBusConnection, number: u32, is_ring: bool) {
    let too_late = SHOWN.with_borrow_mut(|shown| {
        shown.ours.push_back(number);
        if shown.ours.len() > OURS_MAX {
            shown.ours.pop_front();
        }
        match shown.ring {
            RingNotice::Asked if is_ring => shown.ring = RingNotice::There(number),
            RingNotice::None | RingNotice::Asked | RingNotice::There(_) => return is_ring,
        }
        false
    });
    if too_late {
        withdraw(bus, number);
    }
}

fn withdraw(bus: &DBusConnection, number: u32) {
    call(bus, "CloseNotification", &(number,).to_variant(), None, |_, _| {});
}

/// What `Notify` takes: our name, no notification to replace, icon, summary, body, actions, hints, and when it goes
/// (0: never, -1: as the server likes).
fn parameters(notice: &Notice) -> Variant {
    let (urgency, category, expires_ms): (u8, _, i32) = match notice {
        Notice::Ring { .. } => (2, "call.incoming", 0),
        Notice::Missed { .. } => (1, "call.unanswered", -1),
    };
    let hints = HashMap::from([("urgency", urgency.to_variant()), ("category", category.to_variant())]);
    let actions = vec!["default", "Open"];
    let body = glib::markup_escape_text(notice.body()).to_string();
    ("Eyeline", 0_u32, "eyeline", notice.summary(), body, actions, hints, expires_ms).to_variant()
}

/// From the first notification on, a click on any of ours opens the main window.
fn listen(bus: &DBusConnection, app: &AppHandle) {
    if SHOWN.with_borrow_mut(|shown| std::mem::replace(&mut shown.listening, true)) {
        return;
    }
    let app = app.clone();
    let clicked = move |_: &DBusConnection, _: &str, _: &str, _: &str, _: &str, what: &Variant| {
        let Some((number, _action)) = what.get::<(u32, String)>() else { return };
        if SHOWN.with_borrow(|shown| shown.ours.contains(&number)) {
            window::show(&app);
        }
    };
    // For the life of the app, so it is never given up again.
    let _subscription = bus.signal_subscribe(
        Some(NAME),
        Some(NAME),
        Some("ActionInvoked"),
        Some(PATH),
        None,
        DBusSignalFlags::NONE,
        clicked,
    );
}

fn with_bus(then: impl FnOnce(&DBusConnection) + 'static) {
    gio::bus_get(BusType::Session, Cancellable::NONE, move |bus| match bus {
        Ok(bus) => {
            bus.set_exit_on_close(false); // a call goes on without the bus
            then(&bus);
        }
        Err(error) => tracing::debug!(%error, "no session bus, no notifications"),
    });
}

fn call(
    bus: &DBusConnection,
    method: &'static str,
    parameters: &Variant,
    answer: Option<&'static str>,
    then: impl FnOnce(&DBusConnection, &Variant) + 'static,
) {
    let answer = answer.map(|kind| VariantTy::new(kind).expect("a type of D-Bus"));
    let again = bus.clone();
    bus.call(
        Some(NAME),
        PATH,
        NAME,
        method,
        Some(parameters),
        answer,
        DBusCallFlags::NONE,
        ANSWER_MAX_MS,
        Cancellable::NONE,
        move |result| match result {
            Ok(answer) => then(&again, &answer),
            Err(error) => tracing::debug!(method, %error, "no notification"),
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_has_the_shape_of_the_specification() {
        let ring = parameters(&Notice::Ring { name: "<b>Ada</b>".into() });
        assert_eq!(ring.type_().as_str(), "(susssasa{sv}i)");
        assert_eq!(ring.child_value(3).str(), Some("<b>Ada</b> is calling"), "a summary is never markup");
        let missed = parameters(&Notice::Missed { name: " ".into() });
        assert_eq!(missed.child_value(3).str(), Some("Missed call from Somebody"));
    }
}
