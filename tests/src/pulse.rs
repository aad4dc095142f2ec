//! A real sound system whose devices lead nowhere: a private PulseAudio daemon.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::binaries::installed;
use crate::process::run;
use crate::{Outcome, Process, Scene};

const START_LIMIT: Duration = Duration::from_secs(15);

/// What is played to the default speaker can be recorded with [`Pulse::record_speaker`]; what [`Pulse::say`] plays comes out
/// of the default microphone.
pub struct Pulse {
    _daemon: Process,
    runtime: PathBuf,
}

impl Pulse {
    /// What this machine lacks for it, in words.
    pub fn lacks() -> Option<&'static str> {
        let there = ["pulseaudio", "pactl", "paplay", "parecord"].iter().all(|program| installed(program));
        (!there).then_some("pulseaudio or pulseaudio-utils is not installed")
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(scene: &Scene) -> Outcome<Self> {
        let runtime = scene.scratch("pulse");
        fs::create_dir(&runtime)?;
        let script = runtime.join("devices.pa");
        let socket = runtime.join("native");
        fs::write(
            &script,
            format!(
                "load-module module-native-protocol-unix socket={} auth-anonymous=1\n\
                 load-module module-null-sink sink_name=speaker rate=48000 sink_properties=device.description=Speaker\n\
                 load-module module-null-sink sink_name=voice rate=48000 sink_properties=device.description=Voice\n\
                 load-module module-remap-source master=voice.monitor source_name=microphone \
                 source_properties=device.description=Microphone\n\
                 set-default-sink speaker\n\
                 set-default-source microphone\n",
                socket.display()
            ),
        )?;
        let mut command = Command::new("pulseaudio");
        command.args(["-n", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no", "--daemonize=no"]);
        // As everywhere, if it may: a sound system that is as patient as a compiler loses sound.
        command.args(["--realtime=yes", "--high-priority=yes", "-F"]).arg(&script).envs(environment_of(&runtime));
        let mut daemon = Process::start(scene, "pulse", &mut command)?;
        daemon.wait_for("PulseAudio", START_LIMIT, || {
            Ok(run(Command::new("pactl").arg("info").envs(environment_of(&runtime))).ok())
        })?;
        Ok(Self { _daemon: daemon, runtime })
    }

    /// What a program needs in its environment to use this sound system.
    pub fn environment(&self) -> Vec<(String, String)> {
        environment_of(&self.runtime)
    }

    /// Plays a wav file into the microphone, until it ends or the returned process is dropped.
    ///
    /// # Errors
    /// When the player does not start.
    pub fn say(&self, scene: &Scene, wav: &std::path::Path) -> Outcome<Process> {
        let mut command = Command::new("paplay");
        command.arg("--device=voice").arg(wav).envs(self.environment());
        Process::start(scene, "paplay", &mut command)
    }

    /// Records the speaker as raw 16-bit mono at 48 kHz, until the returned process is dropped.
    ///
    /// # Errors
    /// When the recorder does not start.
    pub fn record_speaker(&self, scene: &Scene, file: &std::path::Path) -> Outcome<Process> {
        let mut command = Command::new("parecord");
        command.args(["--raw", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=20"]);
        command.arg("--device=speaker.monitor").arg(file).envs(self.environment());
        Process::start(scene, "parecord", &mut command)
    }

    /// Lets the microphone hear what the speaker plays, at half the amplitude, and nothing else. No stream lies between
    /// them: air has no buffer that runs dry, and no clock that is corrected.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub fn let_the_microphone_hear_the_speaker(&self) -> Outcome {
        self.unplug_microphone()?;
        self.plug_in("speaker.monitor")?;
        // PulseAudio's volumes are cubic: 79 % are -6 dB.
        self.control(&["set-source-volume", "microphone", "79%"])
    }

    /// Takes the microphone away, as pulling its plug does.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub fn unplug_microphone(&self) -> Outcome {
        self.control(&["unload-module", "module-remap-source"])
    }

    /// Puts the microphone back.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub fn plug_in_microphone(&self) -> Outcome {
        self.plug_in("voice.monitor")
    }

    fn plug_in(&self, master: &str) -> Outcome {
        let (master, name) = (format!("master={master}"), "source_name=microphone");
        let device = "source_properties=device.description=Microphone";
        self.control(&["load-module", "module-remap-source", &master, name, device])?;
        self.control(&["set-default-source", "microphone"])
    }

    fn control(&self, arguments: &[&str]) -> Outcome {
        run(Command::new("pactl").args(arguments).envs(self.environment())).map(|_| ())
    }
}

fn environment_of(runtime: &std::path::Path) -> Vec<(String, String)> {
    let path = |name: &str| runtime.join(name).display().to_string();
    vec![
        ("XDG_RUNTIME_DIR".into(), path("")),
        ("PULSE_RUNTIME_PATH".into(), path("")),
        ("PULSE_STATE_PATH".into(), path("state")),
        ("PULSE_SERVER".into(), format!("unix:{}", path("native"))),
    ]
}
