//! Where one test works: its folder, and the lock that keeps tests apart.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Outcome;

/// A test's place on disk. Logs stay in `out/tests/NAME`; what is large goes to [`Scene::scratch`] and is removed.
pub struct Scene {
    name: String,
    folder: PathBuf,
    scratch: TempDir,
    // Held until the scene is dropped.
    _lock: File,
}

impl Scene {
    /// Waits for other tests to finish, then clears the test's folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(name: &str) -> Outcome<Self> {
        let all = repository().join("out/tests");
        fs::create_dir_all(&all)?;
        let lock = File::create(all.join(".lock"))?;
        lock.lock()?;
        let folder = all.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(Self { name: name.into(), folder, scratch: TempDir::new()?, _lock: lock })
    }

    /// The test's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A file or folder of this name among the test's logs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file or folder of this name that is gone after the test.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

/// The root of the checkout.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout")
}
