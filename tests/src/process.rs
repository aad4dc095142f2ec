//! Programs that a test starts, watches and ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::{Failure, Outcome, Scene, wait_for};

/// Lines of each log that a failure shows.
const TAIL_LINES: usize = 25;
/// How long a program gets to end by itself when its test is over.
const END_LIMIT: Duration = Duration::from_secs(3);

/// A running program. It and what it started end when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    group: libc::pid_t,
}

/// What a program has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time on all processors together.
    pub cpu: Duration,
    /// The most memory it had at once, in KiB.
    pub peak_memory_kib: u64,
}

impl Process {
    /// Starts `command`; its output goes to `NAME.out` and `NAME.err` in the scene.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(scene: &Scene, name: &str, command: &mut Command) -> Outcome<Self> {
        let (stdout, stderr) = (scene.path(&format!("{name}.out")), scene.path(&format!("{name}.err")));
        command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?).process_group(0);
        end_with_the_test(command);
        let child = command
            .spawn()
            .map_err(|error| Failure::new(format!("{} does not start: {error}", command.get_program().display())))?;
        let group = libc::pid_t::try_from(child.id())?;
        Ok(Self { name: name.into(), child, stdout, stderr, group })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// What it has written to standard error.
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// The end of both logs, for a failure to show.
    pub fn tail(&self) -> String {
        format!(
            "--- {} stdout\n{}\n--- {} stderr\n{}",
            self.name,
            last_lines(&self.stdout()),
            self.name,
            last_lines(&self.stderr())
        )
    }

    /// Looks until `look` sees something; fails early when the program ends meanwhile.
    ///
    /// # Errors
    /// As [`wait_for`], with the end of the logs.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Outcome<Option<T>>,
    ) -> Outcome<T> {
        let found = wait_for(what, limit, || {
            // Looked at before the look: what it wrote last still counts.
            let ended = self.child.try_wait()?;
            match (look()?, ended) {
                (Some(found), _) => Ok(Some(found)),
                (None, Some(status)) => Err(Failure::new(format!("{} ended with {status}", self.name))),
                (None, None) => Ok(None),
            }
        });
        found.map_err(|failure| failure.with(&self.tail()))
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn runs(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_end(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let status = wait_for(&format!("{} to end", self.name), limit, || Ok(self.child.try_wait()?));
        status.map_err(|failure| failure.with(&self.tail()))
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it does not end, or not with success.
    pub fn end(&mut self, limit: Duration) -> Outcome {
        self.signal(libc::SIGTERM);
        let status = self.wait_end(limit)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("{} was asked to end and ended with {status}", self.name)).with(&self.tail()))
    }

    /// Ends it at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> Outcome {
        self.signal(libc::SIGKILL);
        self.wait_end(END_LIMIT).map(|_| ())
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Outcome<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let stat = fs::read_to_string(folder.join("stat"))?;
        // The second field is the program's name in parentheses and may hold anything; user and system time are the 14th
        // and 15th (proc(5)).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok());
        let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
            return Err(Failure::new("/proc/PID/stat has another form than expected"));
        };
        let status = fs::read_to_string(folder.join("status"))?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.split_whitespace().next());
        let peak_memory_kib = peak.and_then(|kib| kib.parse().ok()).unwrap_or(0);
        Ok(Usage { cpu: Duration::from_millis((user + system) * 1000 / ticks_per_second()), peak_memory_kib })
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: `kill` takes no pointers. The group is the child's own (`process_group(0)`), and the child has not been
        // waited for unless it ended, in which case the call fails or finds only what it left behind.
        unsafe {
            libc::kill(-self.group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(libc::SIGTERM);
        if self.wait_end(END_LIMIT).is_err() {
            self.signal(libc::SIGKILL);
            self.child.wait().ok();
        }
    }
}

/// When the test is interrupted nothing drops, so the system is asked to end the program with the thread that started it.
fn end_with_the_test(command: &mut Command) {
    // SAFETY: `prctl` with these arguments only sets a property of the new process and is async-signal-safe, as code between
    // fork and exec must be.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

fn ticks_per_second() -> u64 {
    // SAFETY: `sysconf` takes no pointers.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}

/// Runs a program to its end.
///
/// # Errors
/// When it does not start or fails, with what it wrote.
pub fn run(command: &mut Command) -> Outcome<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| Failure::new(format!("{program} does not start: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Err(Failure::new(words))
}

/// A file's text; empty while it does not exist.
pub fn read_lossy(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
