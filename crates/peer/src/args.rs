//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use eyeline_engine::Command;
use eyeline_engine::view::{VideoQuality, VoiceProcessing};
use eyeline_media::audio::MicrophoneSource;
use eyeline_media::frame::VideoCodec;

/// Makes or joins an Eyeline call without a window.
#[derive(Debug, Parser)]
#[command(name = "eyeline-peer", version)]
#[command(group(ArgGroup::new("what").required(true).args(["host", "join", "join_code", "list_devices"])))]
pub(crate) struct Args {
    /// Signaling server, for example http://192.168.1.20:7420
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Open a call on --server and print its link
    #[arg(long, requires = "server")]
    pub(crate) host: bool,
    /// Join the call of a link
    #[arg(long, value_name = "LINK")]
    pub(crate) join: Option<String>,
    /// Join the call of a spoken code, for example 7-amber-violin, on --server
    #[arg(long, value_name = "CODE", requires = "server")]
    pub(crate) join_code: Option<String>,
    /// With --host: print a code too, which can be said aloud
    #[arg(long, requires = "host")]
    pub(crate) code: bool,
    /// Let the other side learn no address of this machine; needs a relay
    #[arg(long)]
    pub(crate) relay_only: bool,
    /// List cameras, microphones and speakers, one JSON line each
    #[arg(long)]
    pub(crate) list_devices: bool,
    /// Keep our keys in this file, so that the other side knows us again; made if it is not there. New ones each time
    /// otherwise
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Name the other side is shown
    #[arg(long, default_value = "eyeline-peer")]
    pub(crate) name: String,
    /// Camera: an id, default, none, test-pattern or a y4m file (plays in real time, loops)
    #[arg(long, default_value = "default", value_name = "DEVICE|test-pattern|FILE.y4m")]
    pub(crate) camera: String,
    /// Microphone: an id, default, none, tone or a wav file (plays in real time, loops)
    #[arg(long, default_value = "default", value_name = "DEVICE|tone|FILE.wav")]
    pub(crate) microphone: String,
    /// Speaker: an id, default, null or a wav file to write
    #[arg(long, default_value = "default", value_name = "DEVICE|null|FILE.wav")]
    pub(crate) speaker: String,
    /// Cancel echo, suppress noise and control the gain of what the microphone hears: on for devices and off for wav files and
    /// the tone, unless given
    #[arg(long, value_name = "WHETHER")]
    pub(crate) voice: Option<OnOff>,
    /// Start with the microphone muted
    #[arg(long)]
    pub(crate) muted: bool,
    /// Codecs to offer, best first
    #[arg(long, value_delimiter = ',', default_value = "vp9,vp8")]
    pub(crate) codec: Vec<Codec>,
    /// Ceiling for the picture we send
    #[arg(long, default_value = "standard")]
    pub(crate) quality: Quality,
    /// End by itself after this long
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<f64>,
    /// Write figures, one JSON line a second
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) stats: Option<PathBuf>,
    /// End with an error when a device does not work, instead of going on without it
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

/// Measurement logs; all times are unix microseconds.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct LogArgs {
    /// cap,UNIX_US,CODE,W,H for each frame of the camera (CODE = its index), show,UNIX_US,CODE,W,H for each frame shown
    /// (CODE = mean luma of 32 blocks across the top, in hex)
    #[arg(long, value_name = "FILE")]
    pub(crate) frame_log: Option<PathBuf>,
    /// NAME,UNIX_US,TEXT for each event of the call
    #[arg(long, value_name = "FILE")]
    pub(crate) event_log: Option<PathBuf>,
    /// PREFIX-mic.s16/.csv and PREFIX-speaker.s16/.csv: sound taken from the microphone and handed to the speaker (mono,
    /// 48 kHz; csv lines UNIX_US,FIRST_SAMPLE,COUNT)
    #[arg(long, value_name = "PREFIX")]
    pub(crate) audio_log: Option<PathBuf>,
    /// Write shown frames as I420, UNIX_US_WxH.yuv, into this folder
    #[arg(long, value_name = "DIR", requires = "dump_every")]
    pub(crate) dump_dir: Option<PathBuf>,
    /// Of the shown frames, write every Nth
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) dump_every: Option<u64>,
}

impl Args {
    /// What is done to the microphone's sound.
    pub(crate) fn voice(&self) -> VoiceProcessing {
        let made = match self.microphone.parse::<MicrophoneSource>() {
            Ok(MicrophoneSource::Default | MicrophoneSource::Device(_)) => false,
            Ok(MicrophoneSource::Tone | MicrophoneSource::File(_) | MicrophoneSource::None) => true,
            Err(never) => match never {},
        };
        match self.voice {
            Some(OnOff::On) => VoiceProcessing::ON,
            None if !made => VoiceProcessing::ON,
            Some(OnOff::Off) | None => VoiceProcessing::OFF,
        }
    }

    /// What is asked of the engine.
    pub(crate) fn call(&self) -> Command {
        let (server, relay_only) = (self.server.clone().unwrap_or_default(), self.relay_only);
        match (&self.join, &self.join_code) {
            (Some(link), _) => Command::JoinCall { link: link.clone(), relay_only },
            (None, Some(code)) => Command::JoinByCode { server, code: code.clone(), relay_only },
            (None, None) => Command::StartCall { server, code: self.code, relay_only },
        }
    }
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    On,
    Off,
}

/// A codec by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Codec {
    Vp9,
    Vp8,
}

impl From<Codec> for VideoCodec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Vp9 => Self::Vp9,
            Codec::Vp8 => Self::Vp8,
        }
    }
}

/// A quality by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Quality {
    Low,
    Standard,
    High,
}

impl From<Quality> for VideoQuality {
    fn from(quality: Quality) -> Self {
        match quality {
            Quality::Low => Self::Low,
            Quality::Standard => Self::Standard,
            Quality::High => Self::High,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
        assert!(Args::try_parse_from(["eyeline-peer", "--host"]).is_err(), "a host needs a server");
        assert!(Args::try_parse_from(["eyeline-peer"]).is_err());
        let args = Args::try_parse_from(["eyeline-peer", "--join", "x", "--codec", "vp8"]).expect("valid");
        assert_eq!(args.codec.len(), 1);
        assert_eq!(args.voice(), VoiceProcessing::ON, "a device");
        let voice = |more: &[&str]| {
            let line = ["eyeline-peer", "--join", "x"].iter().chain(more);
            Args::try_parse_from(line).expect("valid").voice()
        };
        assert_eq!(voice(&["--microphone", "tone"]), VoiceProcessing::OFF);
        assert_eq!(voice(&["--microphone", "clip.wav", "--voice", "on"]), VoiceProcessing::ON);
        assert_eq!(voice(&["--voice", "off"]), VoiceProcessing::OFF);
    }
}
