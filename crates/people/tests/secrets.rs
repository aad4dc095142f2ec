//! Secrets, in the file and in a real keychain. A keychain is a matter of the whole process, so each case of it runs in a
//! process of its own: this binary again, with one of the tests below that are ignored otherwise.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, also outside its function, a failure is to fail it")]

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use eyeline_people::{Kind, SECRET_BYTES_MAX, SecretError, SecretStore};

const SERVICE: &str = "Eyeline test";
const PROFILE: &str = "EYELINE_TEST_PROFILE";

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_keeps_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("made when needed");
    let store = SecretStore::file(&profile);
    assert_eq!(store.get("device").unwrap(), None);
    store.delete("device").unwrap();
    store.set("device", &[0, 255, 7]).unwrap();
    store.set("noise", &[9; SECRET_BYTES_MAX]).unwrap();
    store.set("device", &[1, 2, 3]).unwrap();

    let again = SecretStore::file(&profile);
    assert_eq!(again.get("device").unwrap().as_deref(), Some(&[1, 2, 3][..]));
    assert_eq!(again.get("noise").unwrap(), Some(vec![9; SECRET_BYTES_MAX]));
    assert!(matches!(store.set("large", &[0; SECRET_BYTES_MAX + 1]), Err(SecretError::TooLarge)));
    assert_eq!(files(&profile), ["identity.key"], "nothing temporary is left");
    let shown = format!("{store:?}");
    assert!(!shown.contains("1, 2, 3"), "{shown}");

    store.delete("device").unwrap();
    store.delete("noise").unwrap();
    assert!(files(&profile).is_empty());
}

#[test]
fn only_this_user_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = SecretStore::file(folder.path());
    for round in 0..2 {
        store.set("device", &[round]).unwrap();
        let mode = fs::metadata(folder.path().join("identity.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_damaged_file_is_an_error_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.key");
    for damaged in ["{\"device\": \"AQI", "[]", "{\"device\": \"not base64!\"}", "{\"device\": 7}"] {
        fs::write(&path, damaged).unwrap();
        let (store, kind) = SecretStore::open(folder.path(), SERVICE).unwrap();
        assert_eq!(kind, Kind::File, "without asking a keychain");
        assert!(matches!(store.get("device"), Err(SecretError::Damaged)), "{damaged}");
        if !damaged.contains("base64") {
            assert!(matches!(store.set("other", &[1]), Err(SecretError::Damaged)), "{damaged}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
}

/// This binary with one of the cases below, in a home of its own; `None` for no session bus at all.
fn case(name: &str, home: &Path, bus: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", name, "--nocapture"]);
    in_home(&mut command, home);
    match bus {
        Some(address) => command.env("DBUS_SESSION_BUS_ADDRESS", address),
        None => command.env_remove("DBUS_SESSION_BUS_ADDRESS"),
    };
    command
}

fn in_home(command: &mut Command, home: &Path) {
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env("XDG_DATA_HOME", home.join("share"));
    command.env("XDG_CONFIG_HOME", home.join("config")).env(PROFILE, home.join("profile")).env_remove("DISPLAY");
}

fn passed(output: &Output) {
    let shown = String::from_utf8_lossy(&output.stdout);
    let ran = shown.contains("1 passed");
    assert!(output.status.success() && ran, "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn profile() -> Option<PathBuf> {
    std::env::var_os(PROFILE).map(PathBuf::from)
}

#[test]
fn without_a_session_bus_there_is_the_file() {
    let home = tempfile::tempdir().unwrap();
    passed(&case("case_file", home.path(), None).output().unwrap());
}

#[test]
fn a_silent_keychain_does_not_hold_anything_up() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("bus");
    let _never_answers = UnixListener::bind(&socket).unwrap();
    let address = format!("unix:path={}", socket.display());
    passed(&case("case_file", home.path(), Some(&address)).output().unwrap());
}

#[test]
#[ignore = "run by the tests above"]
fn case_file() {
    let Some(profile) = profile() else { return };
    for _ in 0..2 {
        let (store, kind) = SecretStore::open(&profile, SERVICE).unwrap();
        assert_eq!(kind, Kind::File);
        store.set("device", &[7; 32]).unwrap();
    }
    assert_eq!(files(&profile), ["identity.key"]);
}

#[test]
fn a_keychain_keeps_secrets_and_is_missed_when_away() {
    let home = tempfile::tempdir().unwrap();
    let mut session = Command::new("dbus-run-session");
    session.args(["--", "sh", "-c"]).arg(
        "gnome-keyring-daemon --version >/dev/null || exit 77
         printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null
         \"$0\" --ignored --exact case_keychain --nocapture && \"$0\" --ignored --exact case_keychain --nocapture",
    );
    session.arg(std::env::current_exe().unwrap()).stdin(Stdio::null());
    in_home(&mut session, home.path());
    let output = match session.output() {
        Ok(output) if output.status.code() != Some(77) => output,
        _ => return skipped("no dbus-run-session or no gnome-keyring-daemon here"),
    };
    passed(&output);
    assert_eq!(files(&home.path().join("profile")), ["identity.in-keychain"]);
    passed(&case("case_keychain_away", home.path(), None).output().unwrap());
}

/// Printed past the harness, which swallows the output of a test that passes.
fn skipped(why: &str) {
    let line = format!("SKIPPED a_keychain_keeps_secrets_and_is_missed_when_away: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The first run keeps, the second finds.
#[test]
#[ignore = "run by the test above"]
fn case_keychain() {
    let Some(profile) = profile() else { return };
    let (store, kind) = SecretStore::open(&profile, SERVICE).unwrap();
    assert_eq!(kind, Kind::Keychain);
    let Some(kept) = store.get("device").unwrap() else {
        store.set("device", &[1; 32]).unwrap();
        return store.set("device", &[2; 32]).unwrap();
    };
    assert_eq!(kept, [2; 32]);
    let (other, kind) = SecretStore::open(&profile.with_file_name("another profile"), SERVICE).unwrap();
    assert_eq!((kind, other.get("device").unwrap()), (Kind::Keychain, None));
    store.set("gone", &[3]).unwrap();
    store.delete("gone").unwrap();
    store.delete("gone").unwrap();
    assert_eq!(store.get("gone").unwrap(), None);
}

#[test]
#[ignore = "run by the test above"]
fn case_keychain_away() {
    let Some(profile) = profile() else { return };
    let away = SecretStore::open(&profile, SERVICE);
    assert!(matches!(away, Err(SecretError::KeychainAway)), "{away:?}");
    assert_eq!(files(&profile), ["identity.in-keychain"], "no new keys");
}
