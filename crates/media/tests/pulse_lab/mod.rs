//! A sound system of our own: a private PulseAudio daemon with null sinks, whose clocks are the machine's.
//!
//! It is found by environment variables, so what uses it runs in a child process that has them.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const IN_CHILD: &str = "EYELINE_TEST_PULSE_CHILD";

/// The daemon; ends with the value.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts it with the modules of `script`, in the folder that the environment names.
    pub(crate) fn start(script: &str) -> Self {
        let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").expect("set by the parent"));
        let socket = folder.join("native");
        let script_path = folder.join("script.pa");
        let protocol = format!("load-module module-native-protocol-unix socket={} auth-anonymous=1", socket.display());
        std::fs::write(&script_path, format!("{script}\n{protocol}\n")).expect("a writable folder");
        let process = Command::new("pulseaudio")
            .args(["-n", "--exit-idle-time=-1", "--use-pid-file=no", "--daemonize=no", "--realtime=yes"])
            .args(["--high-priority=yes", "--disallow-exit", "-F"])
            .arg(&script_path)
            .env("PULSE_STATE_PATH", folder.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it was found before");
        let daemon = Self(process);
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "pulseaudio does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `check` in a child process, the test `name` once more, whose sound system is in a folder of its own. Skips where
/// there is no PulseAudio.
pub(crate) fn in_child(name: &str, check: impl FnOnce()) {
    if std::env::var_os(IN_CHILD).is_some() {
        check();
        return;
    }
    if Command::new("pulseaudio").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no pulseaudio program here");
        return;
    }
    let folder = tempfile::tempdir().expect("a writable folder");
    let status = Command::new(std::env::current_exe().expect("a program has a file"))
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .env("PULSE_SERVER", format!("unix:{}", folder.path().join("native").display()))
        .env("PULSE_RUNTIME_PATH", folder.path())
        .env("XDG_RUNTIME_DIR", folder.path())
        .status()
        .expect("the test runs once more");
    assert!(status.success());
}

/// Tells the daemon something, and returns its answer.
pub(crate) fn pactl(arguments: &[&str]) -> String {
    let output = Command::new("pactl").args(arguments).output().expect("pactl comes with pulseaudio");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
