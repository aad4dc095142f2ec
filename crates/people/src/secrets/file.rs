//! Secrets in a file: `identity.key`, a JSON object from name to base64.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secrets::SecretError;

const NAME: &str = "identity.key";

/// Largest file that is read; a larger one is not ours.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
}

type Secrets = BTreeMap<String, String>;

impl SecretFile {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join(NAME) }
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, SecretError> {
        match self.read()?.get(name) {
            Some(text) => URL_SAFE_NO_PAD.decode(text).map(Some).map_err(|_| SecretError::Damaged),
            None => Ok(None),
        }
    }

    pub(crate) fn set(&self, name: &str, secret: &[u8]) -> Result<(), SecretError> {
        let mut secrets = self.read()?;
        secrets.insert(name.to_owned(), URL_SAFE_NO_PAD.encode(secret));
        self.write(&secrets)
    }

    /// With the last secret the file goes as well.
    pub(crate) fn delete(&self, name: &str) -> Result<(), SecretError> {
        let mut secrets = self.read()?;
        match secrets.remove(name) {
            None => Ok(()),
            Some(_) if secrets.is_empty() => Ok(fs::remove_file(&self.path)?),
            Some(_) => self.write(&secrets),
        }
    }

    fn read(&self) -> Result<Secrets, SecretError> {
        match fs::metadata(&self.path) {
            Ok(found) if found.len() > FILE_BYTES_MAX => return Err(SecretError::Damaged),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Secrets::new()),
            Err(error) => return Err(error.into()),
        }
        serde_json::from_slice(&fs::read(&self.path)?).map_err(|_| SecretError::Damaged)
    }

    /// Writes a file beside the old one and puts it in its place. `tempfile` makes it readable by this user only.
    fn write(&self, secrets: &Secrets) -> Result<(), SecretError> {
        let folder = self.path.parent().expect("the path was joined to a folder");
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(secrets).map_err(io::Error::from)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(io::Error::from)?;
        Ok(())
    }
}
