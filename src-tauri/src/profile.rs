//! Who this device is and whom it knows: loaded before the engine starts.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use eyeline_people::{Opened, People, PeopleError, SecretError, SecretStore};
use eyeline_seal::{Identity, KeyError};

/// What the keychain shows its user.
const SERVICE: &str = "Eyeline";

/// Name of the secret that [`Identity::to_bytes`] gives.
const IDENTITY: &str = "identity";

/// File of contacts and past calls.
const PEOPLE: &str = "people.sqlite";

/// Why keys or contacts cannot be had. Never a reason to make new ones in their place.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The keys are there and cannot be read, or cannot be kept.
    #[error(transparent)]
    Secrets(#[from] SecretError),
    /// What is kept as the keys is none.
    #[error("this device's keys are damaged: {0}")]
    Identity(#[from] KeyError),
    /// Contacts cannot be read.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// Keys and contacts of one user of this device.
pub(crate) struct Profile {
    /// Who we are.
    pub identity: Identity,
    /// Whom we know.
    pub people: People,
    /// Where the keys are kept.
    pub keys: Keys,
}

/// Where the keys are kept; clones share it.
#[derive(Clone)]
pub(crate) struct Keys(Arc<SecretStore>);

impl Profile {
    /// Opens or makes what is in `folder`. Keys of a folder of the user's own (`own_folder`) stay in that folder; otherwise
    /// they are in the system's keychain where there is one.
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub(crate) fn open(folder: &Path, own_folder: bool) -> Result<Self, ProfileError> {
        let keys = if own_folder { SecretStore::file(folder) } else { SecretStore::open(folder, SERVICE)?.0 };
        let keys = Keys(Arc::new(keys));
        let identity = keys.load(unix_s())?;
        let (people, opened) = People::open(&folder.join(PEOPLE))?;
        match opened {
            Opened::New | Opened::Existing => tracing::info!(new = opened == Opened::New, "contacts open"),
            Opened::Recovered { kept_as } => {
                tracing::warn!(file = ?kept_as.file_name(), "contacts were damaged; what is left of them is kept aside");
            }
        }
        Ok(Self { identity, people, keys })
    }
}

/// Keys that nobody knows yet.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn new_identity() -> Result<Identity, ProfileError> {
    Ok(Identity::generate(random()?, unix_s()))
}

impl Keys {
    /// Keeps an identity in place of the one before. May wait for the keychain.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn keep(&self, identity: &Identity) -> Result<(), SecretError> {
        self.0.set(IDENTITY, &identity.to_bytes())
    }

    /// The identity that is kept, a Noise key of this month in it; a new one for a new profile.
    fn load(&self, now_unix_s: u64) -> Result<Identity, ProfileError> {
        let (identity, changed) = match self.0.get(IDENTITY)? {
            Some(bytes) => {
                let mut identity = Identity::from_bytes(&bytes)?;
                let rotated = identity.rotate_if_due(random()?, now_unix_s);
                (identity, rotated)
            }
            None => (Identity::generate(random()?, now_unix_s), true),
        };
        if changed {
            self.keep(&identity)?;
        }
        Ok(identity)
    }
}

fn random<const N: usize>() -> Result<[u8; N], ProfileError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ProfileError::Random(error.to_string()))?;
    Ok(bytes)
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use eyeline_seal::NOISE_KEY_LIFE_S;

    use super::*;

    #[test]
    fn a_device_stays_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = Profile::open(folder.path(), true).unwrap().identity;
        let again = Profile::open(folder.path(), true).unwrap();
        assert_eq!(again.identity.to_bytes(), first.to_bytes());

        let later = again.keys.load(unix_s() + NOISE_KEY_LIFE_S).unwrap();
        assert_eq!(later.device.id(), first.device.id());
        assert_ne!(later.noise.public().0, first.noise.public().0);
        let kept = Profile::open(folder.path(), true).unwrap().identity;
        assert_eq!(kept.device.id(), first.device.id());
    }

    #[test]
    fn damaged_keys_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        SecretStore::file(folder.path()).set(IDENTITY, b"something else").unwrap();
        for _ in 0..2 {
            assert!(matches!(Profile::open(folder.path(), true), Err(ProfileError::Identity(_))));
        }
    }
}
