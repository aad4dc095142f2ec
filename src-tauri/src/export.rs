//! All that the app knows, in one file for its user.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::events::unix_ms;
use crate::ipc::{RecentCall, Settings};

/// Exports of one folder that stand side by side.
const FILES_MAX: u32 = 1_000;

/// Writes settings and calls by link, beside what the engine tells of `people`, to the user's folder for downloads, or into
/// `profile` where the system names none. Gives the file's path. Nothing in it opens a call or speaks for this device:
/// neither keys nor links.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write(profile: &Path, people: Value, settings: &Settings, recent: &[RecentCall]) -> io::Result<PathBuf> {
    let users = directories::UserDirs::new();
    let folder = users.as_ref().and_then(directories::UserDirs::download_dir).filter(|folder| folder.is_dir());
    write_to(folder.unwrap_or(profile), people, settings, recent)
}

fn write_to(folder: &Path, people: Value, settings: &Settings, recent: &[RecentCall]) -> io::Result<PathBuf> {
    let mut document = json!({
        "exported_at": unix_ms(),
        "settings": settings,
        "calls_by_link": recent.iter().map(without_link).collect::<Value>(),
    });
    if let (Value::Object(document), Value::Object(people)) = (&mut document, people) {
        document.extend(people);
    }
    write_new(folder, &serde_json::to_vec_pretty(&document)?)
}

fn without_link(call: &RecentCall) -> Value {
    json!({ "name": call.name, "started_at": call.at_unix_ms, "duration_ms": call.duration_ms })
}

/// Writes a whole file under the first free name; only this user may read it.
fn write_new(folder: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    for number in 1..FILES_MAX {
        let name = if number == 1 { "eyeline-data.json".into() } else { format!("eyeline-data-{number}.json") };
        let path = folder.join(name);
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => file = refused.file,
            Err(refused) => return Err(refused.error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many exported files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_a_file_of_its_own_and_opens_no_call() {
        let downloads = tempfile::tempdir().unwrap();
        let people = || json!({ "contacts": [] });
        let call = RecentCall { link: "secret link".into(), name: "Bo".into(), at_unix_ms: 5, duration_ms: 6 };
        let settings = Settings { name: "Ada".into(), ..Settings::default() };
        let write = || write_to(downloads.path(), people(), &settings, std::slice::from_ref(&call)).unwrap();
        let (first, second) = (write(), write());
        assert_eq!(first.file_name().unwrap(), "eyeline-data.json");
        assert_eq!(second.file_name().unwrap(), "eyeline-data-2.json");
        assert_eq!(std::fs::read_dir(downloads.path()).unwrap().count(), 2, "nothing temporary is left");
        let text = std::fs::read_to_string(first).unwrap();
        assert!(!text.contains("secret link"), "{text}");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["settings"]["name"], "Ada");
        assert_eq!(document["calls_by_link"][0], json!({ "name": "Bo", "started_at": 5, "duration_ms": 6 }));
        assert_eq!(document["contacts"], json!([]));
    }
}
