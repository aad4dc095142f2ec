//! Secrets in the system's keychain. Its calls may block for ever (a daemon that does not answer, a question for a password
//! that nobody sees), so each runs on a thread of its own and is waited for so long only.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use std::{fs, thread};

use keyring::v1::Entry;

use crate::secrets::SecretError;

/// Says that this profile's secrets are in the keychain, and under which profile number.
const MARKER: &str = "identity.in-keychain";

/// How long a keychain may take when nothing is known to be in it.
const PROBE_MAX: Duration = Duration::from_secs(3);

/// How long it may take when it holds our secrets: it may be asking the user for its password.
const ANSWER_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Keychain {
    service: String,
    /// Tells profiles apart under one service.
    profile: String,
}

impl Keychain {
    /// `None` when this profile does not use the keychain yet and it does not work.
    pub(crate) fn open(profile_dir: &Path, service: &str) -> Result<Option<Self>, SecretError> {
        let service = service.to_owned();
        match fs::read_to_string(profile_dir.join(MARKER)) {
            Ok(profile) => {
                let keychain = Self { service, profile: profile.trim().to_owned() };
                keychain.get("probe").map_err(|error| {
                    tracing::warn!(%error, "keychain does not answer");
                    SecretError::KeychainAway
                })?;
                Ok(Some(keychain))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keychain = Self { service, profile: random_name()? };
                if let Err(error) = keychain.probe() {
                    tracing::info!(%error, "no keychain: keys are kept in a file");
                    return Ok(None);
                }
                write_marker(profile_dir, &keychain.profile)?;
                Ok(Some(keychain))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, SecretError> {
        self.ask(name, ANSWER_MAX, |entry| match entry.get_secret() {
            Err(keyring::v1::Error::NoEntry) => Ok(None),
            other => other.map(Some),
        })
    }

    pub(crate) fn set(&self, name: &str, secret: &[u8]) -> Result<(), SecretError> {
        let secret = secret.to_vec();
        self.ask(name, ANSWER_MAX, move |entry| entry.set_secret(&secret))
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), SecretError> {
        self.ask(name, ANSWER_MAX, delete)
    }

    /// Keeps something, reads it and deletes it: a keychain without a collection can be read but keeps nothing.
    fn probe(&self) -> Result<(), SecretError> {
        let answer = self.ask("probe", PROBE_MAX, |entry| {
            entry.set_secret(b"probe")?;
            let secret = entry.get_secret()?;
            delete(entry)?;
            Ok(secret)
        })?;
        if answer == b"probe" { Ok(()) } else { Err(SecretError::Keychain("it forgets".into())) }
    }

    fn ask<T: Send + 'static>(
        &self,
        name: &str,
        at_most: Duration,
        question: impl FnOnce(&Entry) -> keyring::v1::Result<T> + Send + 'static,
    ) -> Result<T, SecretError> {
        let (service, user) = (self.service.clone(), format!("{name} of {}", self.profile));
        let (answer, answered) = sync_channel(1); // one answer; nobody waits for a late one
        thread::Builder::new().name("keychain".into()).spawn(move || {
            let _nobody_waits = answer.send(Entry::new(&service, &user).and_then(|entry| question(&entry)));
        })?;
        match answered.recv_timeout(at_most) {
            Ok(result) => result.map_err(|error| SecretError::Keychain(reason(&error))),
            Err(_) => Err(SecretError::Keychain("no answer".into())),
        }
    }
}

fn delete(entry: &Entry) -> keyring::v1::Result<()> {
    match entry.delete_credential() {
        Err(keyring::v1::Error::NoEntry) => Ok(()),
        other => other,
    }
}

/// What went wrong, without what some errors carry: the secret itself, or entries.
fn reason(error: &keyring::v1::Error) -> String {
    use keyring::v1::Error;
    match error {
        Error::NoDefaultStore => match Entry::store_status() {
            Err(Error::PlatformFailure(source) | Error::NoStorageAccess(source)) => source.to_string(),
            _ => "none here".into(),
        },
        Error::PlatformFailure(source) | Error::NoStorageAccess(source) => source.to_string(),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "not the secret that was kept".into(),
        Error::Ambiguous(_) => "several secrets of one name".into(),
        other => other.to_string(),
    }
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_marker(folder: &Path, profile: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(profile.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(MARKER))?;
    Ok(())
}
