//! The programs under test.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::scene::repository;
use crate::{Failure, Outcome, ensure};

/// A program under test.
#[derive(Clone, Copy, Debug)]
pub enum Binary {
    /// The signaling server.
    Server,
    /// The engine without a window.
    Peer,
    /// The desktop app.
    Desktop,
}

impl Binary {
    fn file(self) -> &'static str {
        match self {
            Self::Server => "eyeline-server",
            Self::Peer => "eyeline-peer",
            Self::Desktop => "eyeline",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Server => "eyeline-server",
            Self::Peer => "eyeline-peer",
            Self::Desktop => "eyeline-desktop",
        }
    }

    /// Its path. `./dev` builds the programs and names their folder in `EYELINE_BINARIES`; without that, cargo brings them
    /// up to date, once per test process.
    ///
    /// # Errors
    /// When it is not there or does not build.
    pub fn path(self) -> Outcome<PathBuf> {
        let path = match env::var_os("EYELINE_BINARIES") {
            Some(folder) => PathBuf::from(folder).join(self.file()),
            None => {
                self.build()?;
                target_folder().join("debug").join(self.file())
            }
        };
        ensure!(path.is_file(), "{} is not there; build it with ./dev test or cargo build", path.display());
        Ok(path)
    }

    fn build(self) -> Outcome {
        static BUILT: [OnceLock<Result<(), String>>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        let built = BUILT[self as usize].get_or_init(|| {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut command = Command::new(cargo);
            command.args(["build", "--locked", "--quiet", "--package", self.package()]).current_dir(repository());
            match command.status() {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("cargo build of {} ended with {status}", self.package())),
                Err(error) => Err(format!("cargo does not start: {error}")),
            }
        });
        built.clone().map_err(Failure::new)
    }
}

fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), |folder| repository().join(folder))
}

/// Whether the machine has this program. A test that lacks one says so through [`crate::report::skipped`].
pub fn installed(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| {
        // Network programs are in places that not every user's PATH names.
        env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).is_file())
    })
}
