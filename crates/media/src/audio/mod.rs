//! Sound: devices, Opus, jitter buffer, playout.
//!
//! Everything inside is mono, 48 kHz, `i16`, in blocks of 10 ms; Opus packets hold one to six of them.
//!
//! ```text
//! Microphone --block--> AudioSender: CaptureProcessor -> level -> mute -> Opus --EncodedAudio--> network
//!                            ^ EchoReference
//! Speaker <--block-- AudioReceiver: AudioJitterBuffer <--ReceivedAudio-- network
//! ```
//!
//! Threads: a device callback only moves samples to or from a lock-free ring. One worker thread per open [`Microphone`] or
//! [`Speaker`] does the rest (resampling, Opus, observers); nothing here blocks the thread that calls.

mod attempts;
mod choice;
mod devices;
mod echo;
mod error;
mod event;
mod jitter;
mod level;
mod microphone;
mod opus;
mod pace;
mod plan;
mod receiver;
mod resample;
mod sender;
mod speaker;
mod stream;
#[cfg(test)]
mod testing;
mod timeline;
mod tone;
mod voice;
mod wav;
mod worker;

pub use choice::{MicrophoneSource, SpeakerSink};
pub use devices::{AudioDevice, list_microphones, list_speakers};
pub use echo::{CaptureProcessor, EchoReference, PassThrough};
pub use error::AudioError;
pub use event::AudioEvent;
pub use jitter::{AudioJitterBuffer, BlockKind, JitterStats, MAX_HOLD as MAX_AUDIO_HOLD};
pub use microphone::Microphone;
pub use opus::{OpusApplication, OpusDecoder, OpusEncoder};
pub use receiver::AudioReceiver;
pub use sender::{AudioSender, AudioSenderConfig};
pub use speaker::{PlayoutSource, Speaker};
pub use voice::{VoiceProcessing, VoiceProcessor, VoiceSwitch};

use std::time::Duration;

/// Samples per second of all sound inside Eyeline.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Samples of one block: 10 ms.
pub const BLOCK_SAMPLES: usize = 480;

/// Time one block takes.
pub const BLOCK_TIME: Duration = Duration::from_millis(10);

/// 10 ms of sound: mono, 48 kHz.
pub type Block = [i16; BLOCK_SAMPLES];

/// A block of silence.
pub const SILENCE: Block = [0; BLOCK_SAMPLES];
