//! Files of the app: small JSON documents in one folder, written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest document that is read; a larger one counts as broken.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

/// A folder of JSON documents.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The folder the system gives to this app; `None` when it names none.
    pub(crate) fn of_user() -> Option<Self> {
        let folders = directories::ProjectDirs::from("app", "eyeline", "eyeline")?;
        Some(Self::at(folders.config_dir()))
    }

    /// A folder of one's own; it is made when something is first saved.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Where the documents are. It may not be there yet.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads document `name`, or the default when there is none. One that cannot be understood is kept aside as
    /// `NAME.broken`, so that nothing a person wrote is lost, and counts as absent.
    pub(crate) fn load<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        let path = self.folder.join(name);
        let error = match read_document(&path) {
            Ok(document) => return document,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
            Err(error) => error,
        };
        let aside = self.folder.join(format!("{name}.broken"));
        let kept = fs::rename(&path, &aside);
        tracing::warn!(document = name, %error, kept_aside = kept.is_ok(), "document cannot be read");
        T::default()
    }

    /// Replaces document `name`. Only this user may read it.
    ///
    /// # Errors
    /// Those of the file system; the old document is then still whole.
    pub(crate) fn save<T: Serialize>(&self, name: &str, document: &T) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        write_atomically(&self.folder.join(name), &serde_json::to_vec_pretty(document)?)
    }
}

fn read_document<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    if fs::metadata(path)?.len() > DOCUMENT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "document too large"));
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Writes a whole file beside `path` and puts it in its place: readers see the old or the new one, never a part. The file
/// is readable by this user only.
///
/// # Errors
/// Those of the file system; what was at `path` is then unchanged.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::{Settings, Theme};

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("made/when/needed"));
        assert_eq!(store.load::<Settings>("settings.json"), Settings::default());
        let settings = Settings { name: "Ada".into(), theme: Theme::Dark, ..Settings::default() };
        store.save("settings.json", &settings).unwrap();
        assert_eq!(store.load::<Settings>("settings.json"), settings);
        assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_broken_document_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        for broken in ["{\"name\": \"Ada\"", "[1, 2]", "{\"theme\": \"plaid\"}"] {
            fs::write(folder.path().join("settings.json"), broken).unwrap();
            assert_eq!(store.load::<Settings>("settings.json"), Settings::default());
            assert_eq!(fs::read_to_string(folder.path().join("settings.json.broken")).unwrap(), broken);
        }
    }

    #[test]
    fn fields_of_other_versions_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("settings.json"), r#"{"name": "Ada", "hologram": true}"#).unwrap();
        let settings: Settings = Store::at(folder.path()).load("settings.json");
        assert_eq!(settings, Settings { name: "Ada".into(), ..Settings::default() });
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        store.save("recent.json", &vec!["secret"]).unwrap();
        store.save("recent.json", &vec!["another"]).unwrap();
        let mode = fs::metadata(folder.path().join("recent.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
