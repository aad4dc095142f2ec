//! The device's secrets: in the system's keychain, or in a file where there is none.

mod file;
mod keychain;

use std::io;
use std::path::Path;

use crate::secrets::file::SecretFile;
use crate::secrets::keychain::Keychain;

/// Largest secret. Windows keeps 2,560 bytes at most.
pub const SECRET_BYTES_MAX: usize = 1_024;

/// Where secrets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In the keychain: Secret Service, Keychain Services or Credential Manager.
    Keychain,
    /// In a file readable by this user only.
    File,
}

/// Why a secret was not had or kept.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// This profile's secrets are in the keychain, which does not answer. They are not lost: making new ones would make
    /// this device a stranger to everybody who knows it.
    #[error("the system's keychain holds this profile's keys and does not answer")]
    KeychainAway,
    /// The keychain answered with an error.
    #[error("the system's keychain: {0}")]
    Keychain(String),
    /// The file of secrets cannot be understood. It is left as it is.
    #[error("the file of keys is damaged")]
    Damaged,
    /// The file or its folder cannot be used.
    #[error("cannot use the file of keys: {0}")]
    File(#[from] io::Error),
    /// The secret has more than [`SECRET_BYTES_MAX`] bytes.
    #[error("the secret is too large")]
    TooLarge,
}

/// Named secrets of one profile. Once a profile keeps its secrets in one place, they stay in that place.
#[derive(Debug)]
pub struct SecretStore(Place);

#[derive(Debug)]
enum Place {
    Keychain(Keychain),
    File(SecretFile),
}

impl SecretStore {
    /// The place where the profile in `profile_dir` keeps its secrets; for a new profile the keychain if it works, or else
    /// a file. `service` is the name a user sees in the keychain; profiles do not share secrets under it. Blocks for
    /// three seconds when a keychain is there but silent, longer when it may be asking for its password.
    ///
    /// # Errors
    /// [`SecretError::KeychainAway`]; those of the file system.
    pub fn open(profile_dir: &Path, service: &str) -> Result<(Self, Kind), SecretError> {
        let file = SecretFile::new(profile_dir);
        if file.exists() {
            return Ok((Self(Place::File(file)), Kind::File));
        }
        match Keychain::open(profile_dir, service)? {
            Some(keychain) => Ok((Self(Place::Keychain(keychain)), Kind::Keychain)),
            None => Ok((Self(Place::File(file)), Kind::File)),
        }
    }

    /// The file, whatever else there is.
    pub fn file(profile_dir: &Path) -> Self {
        Self(Place::File(SecretFile::new(profile_dir)))
    }

    /// The secret of this name, if there is one.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, SecretError> {
        match &self.0 {
            Place::Keychain(keychain) => keychain.get(name),
            Place::File(file) => file.get(name),
        }
    }

    /// Keeps a secret, in place of one of the same name.
    ///
    /// # Errors
    /// See [`SecretError`]; what was kept before is then unchanged.
    pub fn set(&self, name: &str, secret: &[u8]) -> Result<(), SecretError> {
        if secret.len() > SECRET_BYTES_MAX {
            return Err(SecretError::TooLarge);
        }
        match &self.0 {
            Place::Keychain(keychain) => keychain.set(name, secret),
            Place::File(file) => file.set(name, secret),
        }
    }

    /// Deletes a secret; it need not be there.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub fn delete(&self, name: &str) -> Result<(), SecretError> {
        match &self.0 {
            Place::Keychain(keychain) => keychain.delete(name),
            Place::File(file) => file.delete(name),
        }
    }
}
