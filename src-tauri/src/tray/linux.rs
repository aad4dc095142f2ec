//! What there is of a tray on this desktop. GNOME has none unless an extension brings it; a bare window manager neither.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use gtk::gio::{self, BusType, Cancellable, DBusCallFlags};
use gtk::glib::{self, ToVariant, VariantTy};

/// The library that shows the icon, loaded while running: `libayatana-appindicator3-1` of Debian and its relatives, or the
/// older one. Without either, asking for an icon ends the program (`libappindicator-sys` panics).
const LIBRARIES: [&str; 2] = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];

/// Who shows icons (StatusNotifierItem specification).
const WATCHER: &str = "org.kde.StatusNotifierWatcher";

/// How long the bus may take to say whether there is a tray.
const ANSWER_MAX: Duration = Duration::from_secs(1);

pub(super) fn library_is_there() -> bool {
    LIBRARIES.iter().any(|name| {
        // SAFETY: loading runs the library's initialisers; these are the ones of GTK's indicator library, which the icon
        // loads by the same name a moment later on this same thread.
        let library = unsafe { libloading::Library::new(name) };
        library.map(std::mem::forget).is_ok() // never unloaded: GTK libraries are not made for that
    })
}

/// Says whether a tray shows our icon, so that a hidden window can be found again. Call on the main thread; `then` runs there,
/// in a second at most.
pub(crate) fn when_known(then: impl FnOnce(bool) + 'static) {
    if !library_is_there() {
        return then(false);
    }
    let then = Rc::new(Cell::new(Some(then)));
    let once = then.clone();
    let then = move |there| {
        if let Some(then) = then.take() {
            then(there);
        }
    };
    glib::timeout_add_local_once(ANSWER_MAX, move || {
        if let Some(then) = once.take() {
            then(false);
        }
    });
    gio::bus_get(BusType::Session, Cancellable::NONE, move |bus| {
        let Ok(bus) = bus else { return then(false) };
        bus.set_exit_on_close(false);
        bus.call(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameHasOwner",
            Some(&(WATCHER,).to_variant()),
            Some(VariantTy::new("(b)").expect("a type of D-Bus")),
            DBusCallFlags::NONE,
            -1, // as the bus likes: the timer above is what counts
            Cancellable::NONE,
            move |answer| then(answer.is_ok_and(|answer| answer.get::<(bool,)>() == Some((true,)))),
        );
    });
}
