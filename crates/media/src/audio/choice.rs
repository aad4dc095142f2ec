//! Where sound comes from and goes to, as people write it.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where captured sound comes from.
///
/// Written `default`, `tone`, `none`, the path of a wav file (it ends in `.wav` or exists), or a device id as
/// [`list_microphones`](super::list_microphones) gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MicrophoneSource {
    /// The system's default microphone.
    #[default]
    Default,
    /// The microphone of this id.
    Device(String),
    /// 440 Hz at -20 dBFS, 0.8 s on and 0.2 s off, paced by the clock.
    Tone,
    /// A wav file, played in real time, over and over.
    File(PathBuf),
    /// No sound at all.
    None,
}

/// Where received sound goes.
///
/// Written `default`, `null`, the path of a wav file (it ends in `.wav`), or a device id as
/// [`list_speakers`](super::list_speakers) gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SpeakerSink {
    /// The system's default speaker.
    #[default]
    Default,
    /// The speaker of this id.
    Device(String),
    /// Nowhere, but paced by the clock, so that everything before the device works as with one.
    Null,
    /// A wav file (mono, 48 kHz, 16 bits), written in real time.
    File(PathBuf),
}

fn is_wav(text: &str) -> bool {
    Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"))
}

impl FromStr for MicrophoneSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "default" => Self::Default,
            "tone" => Self::Tone,
            "none" => Self::None,
            path if is_wav(path) || Path::new(path).is_file() => Self::File(path.into()),
            id => Self::Device(id.to_owned()),
        })
    }
}

impl fmt::Display for MicrophoneSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Device(id) => f.write_str(id),
            Self::Tone => f.write_str("tone"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for SpeakerSink {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "default" => Self::Default,
            "null" => Self::Null,
            path if is_wav(path) => Self::File(path.into()),
            id => Self::Device(id.to_owned()),
        })
    }
}

impl fmt::Display for SpeakerSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Device(id) => f.write_str(id),
            Self::Null => f.write_str("null"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["default", "tone", "none", "/tmp/some.WAV", "pulseaudio:alsa_input.usb"] {
            let source: MicrophoneSource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
        assert_eq!("x.wav".parse(), Ok(MicrophoneSource::File("x.wav".into())));
        assert_eq!("pulseaudio:mic".parse(), Ok(MicrophoneSource::Device("pulseaudio:mic".into())));
        let existing = "Cargo.toml"; // tests run in the crate folder
        assert_eq!(existing.parse(), Ok(MicrophoneSource::File(existing.into())));
        for text in ["default", "null", "out.wav", "alsa:hw:CARD=0,DEV=0"] {
            let sink: SpeakerSink = text.parse().unwrap();
            assert_eq!(sink.to_string(), text);
        }
        assert_eq!("null".parse(), Ok(SpeakerSink::Null));
    }
}
