//! The file, in all the states in which it may be found.

#![expect(clippy::unwrap_used, reason = "in a test, also outside its function, a failure is to fail it")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{missed, somebody};
use eyeline_people::{Opened, People, PeopleError};
use rusqlite::Connection;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made when needed").join("people.sqlite");
    (folder, path)
}

fn filled(path: &Path) -> People {
    let (mut people, opened) = People::open(path).unwrap();
    assert_eq!(opened, Opened::New);
    fill(&mut people);
    people
}

fn fill(people: &mut People) {
    for number in 1..=40 {
        let contact = somebody(number, &format!("Name of number {number}"));
        people.put_contact(&contact).unwrap();
        people.add_history(&missed(&contact, i64::from(number))).unwrap();
    }
}

/// Everything in the folder whose bytes contain `text`.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| fs::read(file).unwrap().windows(text.len()).any(|part| part == text.as_bytes())).collect()
}

#[test]
fn what_was_kept_is_there_again() {
    let (_folder, path) = folder();
    let before = filled(&path).contacts().unwrap();
    let (people, opened) = People::open(&path).unwrap();
    assert_eq!(opened, Opened::Existing);
    assert_eq!(people.contacts().unwrap(), before);
    assert_eq!(people.unseen_missed().unwrap(), 40);
}

#[test]
fn nothing_is_lost_when_the_process_dies() {
    let (_folder, path) = folder();
    let people = filled(&path);
    std::mem::forget(people); // no closing, no checkpoint
    let (people, opened) = People::open(&path).unwrap();
    assert_eq!(opened, Opened::Existing);
    assert_eq!(people.contacts().unwrap().len(), 40);
}

#[cfg(unix)]
#[test]
fn only_this_user_can_read_any_of_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _people = filled(&path);
    let modes: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), entry.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    assert!(modes.len() >= 3, "file, journal and its index: {modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[test]
fn the_file_of_version_1_opens() {
    let (_folder, path) = folder();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, include_bytes!("fixtures/people-v1.sqlite")).unwrap();
    let (people, opened) = People::open(&path).unwrap();
    assert_eq!(opened, Opened::Existing);
    let mut expected = People::in_memory().unwrap();
    fill_fixture(&mut expected);
    assert_eq!(people.contacts().unwrap(), expected.contacts().unwrap());
    assert_eq!(people.history(10).unwrap(), expected.history(10).unwrap());
}

fn fill_fixture(people: &mut People) {
    let (mut ada, bo) = (somebody(1, "Ada"), somebody(2, "Bo"));
    ada.alias = Some("Countess".into());
    ada.verified_at = Some(1_790_000_000_456);
    people.put_contact(&ada).unwrap();
    people.put_contact(&bo).unwrap();
    people.set_reach(&bo.device, None).unwrap();
    people.add_history(&missed(&ada, 1_790_000_000_789)).unwrap();
    people.add_history(&missed(&bo, 1_790_000_000_999)).unwrap();
}

/// Run once for each version, before it is released.
#[test]
#[ignore = "writes the fixture anew"]
fn write_the_fixture() {
    let (_folder, path) = folder();
    let (mut people, _) = People::open(&path).unwrap();
    fill_fixture(&mut people);
    drop(people);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(&path, here.join("tests/fixtures/people-v1.sqlite")).unwrap();
}

#[test]
fn a_newer_file_is_left_alone() {
    let (_folder, path) = folder();
    drop(filled(&path));
    let newer = Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA user_version = 1000; CREATE TABLE hologram (x)").unwrap();
    drop(newer);
    let (before, time) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
    let error = People::open(&path).unwrap_err();
    assert!(matches!(error, PeopleError::Newer { found: 1000, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
}

#[test]
fn a_damaged_file_is_kept_aside() {
    let (_folder, path) = folder();
    drop(filled(&path));
    let whole = fs::read(&path).unwrap();
    let mut scribbled = whole.clone();
    scribbled[4096..12_288].fill(0xa5);
    let mut foreign = tempfile::NamedTempFile::new().unwrap();
    Connection::open(foreign.path()).unwrap().execute_batch("CREATE TABLE contact (name); VACUUM").unwrap();
    let mut other = Vec::new();
    std::io::Read::read_to_end(&mut foreign, &mut other).unwrap();

    let damaged = [
        whole[..whole.len() / 2].to_vec(),
        whole[..4096].to_vec(),
        whole[..10].to_vec(),
        b"no database at all, but longer than a header of one hundred bytes ".repeat(99),
        scribbled,
        other,
    ];
    for (number, bytes) in (1..).zip(damaged) {
        fs::write(&path, &bytes).unwrap();
        let (mut people, opened) = People::open(&path).unwrap();
        let kept_as = PathBuf::from(format!("{}.damaged-{number}", path.display()));
        assert_eq!(opened, Opened::Recovered { kept_as: kept_as.clone() });
        assert_eq!(fs::read(&kept_as).unwrap(), bytes, "number {number}");
        assert!(people.contacts().unwrap().is_empty());
        fill(&mut people);
        drop(people);
        assert_eq!(People::open(&path).unwrap().1, Opened::Existing);
    }
}

#[test]
fn several_open_it_at_once() {
    let (_folder, path) = folder();
    let openers: Vec<_> = (1..=8)
        .map(|number| {
            let path = path.clone();
            std::thread::spawn(move || {
                let (mut people, opened) = People::open(&path).unwrap();
                for round in 0..20 {
                    people.put_contact(&somebody(number, &format!("{number} in round {round}"))).unwrap();
                    people.add_history(&missed(&somebody(number, "x"), round)).unwrap();
                }
                opened
            })
        })
        .collect();
    for opener in openers {
        assert!(matches!(opener.join().unwrap(), Opened::New | Opened::Existing));
    }
    let (people, _) = People::open(&path).unwrap();
    assert_eq!(people.contacts().unwrap().len(), 8);
    assert_eq!(people.history(1_000).unwrap().len(), 160);
}

#[test]
fn what_is_deleted_is_gone_from_the_disk() {
    let (_folder, path) = folder();
    let mut people = filled(&path);
    let folder = path.parent().unwrap();
    assert!(!files_with(folder, "Name of number 7").is_empty(), "names are found where they are kept");
    fs::write(path.with_file_name("people.sqlite.damaged-3"), "Name of number 7").unwrap();

    people.wipe().unwrap();
    assert!(people.contacts().unwrap().is_empty());
    assert!(people.history(10).unwrap().is_empty());
    for text in ["Name of number", "example.org"] {
        assert_eq!(files_with(folder, text), Vec::<PathBuf>::new());
    }
    fill(&mut people);
    assert_eq!(people.history(1).unwrap()[0].id, 40, "not even the count of calls is left");
}

#[test]
fn a_removed_contact_leaves_only_the_name_in_the_history() {
    let (_folder, path) = folder();
    let mut people = filled(&path);
    people.remove_contact(&[7; 32]).unwrap();
    let folder = path.parent().unwrap();
    assert_eq!(files_with(folder, "server-7.example.org"), Vec::<PathBuf>::new());
    people.clear_history().unwrap();
    assert_eq!(files_with(folder, "Name of number 7"), Vec::<PathBuf>::new());
    assert!(!files_with(folder, "Name of number 8").is_empty());
}
