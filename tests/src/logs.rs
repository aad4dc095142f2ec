//! What `eyeline-peer` and `eyeline --stats` write.

use std::path::Path;

use serde::Deserialize;

use crate::picture::Code;
use crate::process::read_lossy;
use crate::{Failure, Outcome};

/// A frame that left the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When, unix microseconds.
    pub unix_us: i64,
    /// The source's frame number.
    pub number: u64,
}

/// A frame that was handed to the display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// When, unix microseconds.
    pub unix_us: i64,
    /// What its top spells.
    pub code: Code,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// `--frame-log`.
#[derive(Clone, Debug, Default)]
pub struct FrameLog {
    /// In the order of capture.
    pub captured: Vec<Captured>,
    /// In the order of display.
    pub shown: Vec<Shown>,
}

impl FrameLog {
    /// Reads the log; lines that are not complete yet are left out.
    ///
    /// # Errors
    /// When a complete line is not one of a frame log.
    pub fn read(path: &Path) -> Outcome<Self> {
        let mut log = Self::default();
        for line in complete_lines(&read_lossy(path)) {
            let bad = || Failure::new(format!("not a line of a frame log: {line:?}"));
            let fields: Vec<&str> = line.split(',').collect();
            let [kind, unix_us, code, width, height] = fields[..] else { return Err(bad()) };
            let unix_us = unix_us.parse().map_err(|_| bad())?;
            let (width, height) = (width.parse().map_err(|_| bad())?, height.parse().map_err(|_| bad())?);
            match kind {
                "cap" => log.captured.push(Captured { unix_us, number: code.parse().map_err(|_| bad())? }),
                "show" => log.shown.push(Shown { unix_us, code: Code::from_hex(code).ok_or_else(bad)?, width, height }),
                _ => return Err(bad()),
            }
        }
        Ok(log)
    }

    /// From capture on the other side to display here, milliseconds, for every shown frame whose number is in the other
    /// side's log.
    pub fn latencies_ms(&self, other: &Self) -> Vec<f64> {
        let latency = |shown: &Shown| {
            let number = shown.code.number()?;
            // A source that loops uses a number again after seconds: the latest capture before the display is the one.
            let earlier = other.captured.iter().rev().filter(|captured| captured.unix_us <= shown.unix_us);
            let captured = earlier.into_iter().find(|captured| captured.number == u64::from(number))?;
            Some(micros_to_ms(shown.unix_us - captured.unix_us))
        };
        self.shown.iter().filter_map(latency).collect()
    }

    /// Gaps between two shown frames, milliseconds.
    pub fn gaps_ms(&self) -> Vec<f64> {
        self.shown.windows(2).map(|pair| micros_to_ms(pair[1].unix_us - pair[0].unix_us)).collect()
    }

    /// Frames shown per second, from the first to the last.
    pub fn fps(&self) -> f64 {
        let (Some(first), Some(last)) = (self.shown.first(), self.shown.last()) else { return 0.0 };
        let seconds = micros_to_ms(last.unix_us - first.unix_us) / 1000.0;
        if seconds > 0.0 { count(self.shown.len() - 1) / seconds } else { 0.0 }
    }
}

/// A line of `--event-log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name, for example `call` or `error`.
    pub name: String,
    /// When, unix microseconds.
    pub unix_us: i64,
    /// More about it.
    pub text: String,
}

/// Reads `--event-log`.
///
/// # Errors
/// When a complete line is not one of an event log.
pub fn events(path: &Path) -> Outcome<Vec<Event>> {
    let event = |line: &str| {
        let mut fields = line.splitn(3, ',');
        let (name, unix_us, text) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?);
        Some(Event { name: name.into(), unix_us, text: text.into() })
    };
    complete_lines(&read_lossy(path))
        .map(|line| event(line).ok_or_else(|| Failure::new(format!("not a line of an event log: {line:?}"))))
        .collect()
}

/// A line of `--stats`.
#[derive(Clone, Debug, Deserialize)]
pub struct Stats {
    /// When, unix microseconds.
    pub unix_us: i64,
    /// Where the call is, as the engine's `Phase` is named.
    pub phase: String,
    /// `direct`, `relayed`, `relayed_tcp` or `relayed_tls`, once a call has one.
    pub path: Option<String>,
    /// Figures of the last second; empty outside a call.
    #[serde(default)]
    pub stats: CallFigures,
    /// Sound levels.
    #[serde(default)]
    pub levels: Levels,
    /// The other side.
    #[serde(default)]
    pub remote: Remote,
    /// Whether the signaling server is in reach, in a call.
    pub signaling: Option<bool>,
}

/// The figures that tests read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "named and explained in the engine's `CallStats`")]
pub struct CallFigures {
    pub first_picture_ms: Option<f64>,
    pub latency_ms_p50: Option<f64>,
    pub latency_ms_p95: Option<f64>,
    pub latency_error_ms: Option<f64>,
    pub received_fps: f64,
    pub sent_fps: f64,
    pub received_width: u32,
    pub received_height: u32,
    pub sent_limited_by: String,
    pub codec: String,
    pub received_kbps: f64,
    pub sent_kbps: f64,
    pub received_loss: f64,
    pub concealed: f64,
    pub freezes: u32,
}

/// Sound levels, 0 to 1 for -60 to 0 dBFS.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Levels {
    /// Our microphone.
    pub microphone: f64,
    /// The other side.
    pub remote: f64,
}

/// The other side.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// It sends sound.
    pub microphone_on: bool,
    /// It sends a picture.
    pub camera_on: bool,
}

/// Reads `--stats`.
///
/// # Errors
/// When a complete line is not one of a stats file.
pub fn stats(path: &Path) -> Outcome<Vec<Stats>> {
    complete_lines(&read_lossy(path))
        .map(|line| serde_json::from_str(line).map_err(|error| Failure::new(format!("{error} in stats line {line:?}"))))
        .collect()
}

/// Where a recording of `--audio-log` was at some moment.
#[derive(Clone, Copy, Debug)]
pub struct SoundMark {
    /// When its first sample was captured or played, unix microseconds.
    pub unix_us: i64,
    /// Index of that sample in the recording.
    pub first_sample: usize,
}

/// One recording of `--audio-log`: mono, 48 kHz.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The samples.
    pub samples: Vec<i16>,
    /// When they were, a mark per block.
    pub marks: Vec<SoundMark>,
}

impl Recording {
    /// Reads `PREFIX.s16` and `PREFIX.csv`.
    ///
    /// # Errors
    /// When a complete line is not one of a sound log.
    pub fn read(prefix: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(prefix.with_extension("s16")).unwrap_or_default();
        let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let mark = |line: &str| {
            let mut fields = line.split(',');
            Some(SoundMark { unix_us: fields.next()?.parse().ok()?, first_sample: fields.next()?.parse().ok()? })
        };
        let marks: Option<Vec<SoundMark>> =
            complete_lines(&read_lossy(&prefix.with_extension("csv"))).map(mark).collect();
        Ok(Self { samples, marks: marks.ok_or_else(|| Failure::new("not a line of a sound log"))? })
    }

    /// When a sample was captured or played, unix microseconds.
    pub fn time_of(&self, sample: usize) -> Option<i64> {
        let after = self.marks.partition_point(|mark| mark.first_sample <= sample);
        let mark = self.marks.get(after.checked_sub(1)?)?;
        let since_mark = i64::try_from(sample - mark.first_sample).ok()?;
        Some(mark.unix_us + since_mark * 1_000_000 / 48_000)
    }

    /// The sample that was captured or played at this moment, or the first one after it.
    pub fn sample_at(&self, unix_us: i64) -> Option<usize> {
        let after = self.marks.partition_point(|mark| mark.unix_us <= unix_us);
        let Some(mark) = after.checked_sub(1).and_then(|before| self.marks.get(before)) else {
            return self.marks.first().map(|mark| mark.first_sample);
        };
        let since_mark = usize::try_from((unix_us - mark.unix_us) * 48_000 / 1_000_000).ok()?;
        let next = self.marks.get(after).map_or(usize::MAX, |next| next.first_sample);
        Some((mark.first_sample + since_mark).min(next))
    }
}

/// The value below which this share (0 to 1) of the values lies; `NaN` when there is none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 <= share <= 1, so an index of the list"
    )]
    let at = (count(last) * share).round() as usize;
    sorted[at.min(last)]
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "counts of a test are far below 2^52")]
pub fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "differences within a test are far below 2^52 microseconds")]
fn micros_to_ms(micros: i64) -> f64 {
    micros as f64 / 1000.0
}

/// Lines that end with a line feed: the writer may be in the middle of the last one.
fn complete_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_sorted_values() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!((percentile(&values, 0.0), percentile(&values, 0.5), percentile(&values, 0.95)), (0.0, 50.0, 95.0));
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_frame_log_gives_latency_across_a_loop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let code = Code::of(1).to_hex();
        let text = format!("cap,1000,1,4,4\ncap,9000,1,4,4\nshow,4000,{code},4,4\nshow,11000,{code},4,4\nshow,12");
        std::fs::write(&path, text).unwrap();
        let log = FrameLog::read(&path).unwrap();
        assert_eq!(log.latencies_ms(&log), [3.0, 2.0]);
        std::fs::write(&path, "cap,x,1,4,4\n").unwrap();
        assert!(FrameLog::read(&path).is_err());
    }

    #[test]
    fn a_recording_knows_when_a_sample_was() {
        let marks =
            vec![SoundMark { unix_us: 1_000, first_sample: 0 }, SoundMark { unix_us: 50_000, first_sample: 480 }];
        let recording = Recording { samples: vec![0; 960], marks };
        assert_eq!(recording.time_of(48), Some(2_000));
        assert_eq!(recording.time_of(528), Some(51_000));
        assert_eq!(Recording::default().time_of(0), None);
        // Before the start, within a block, in a gap between blocks, after the end.
        let found = [0, 2_000, 30_000, 51_000].map(|unix_us| recording.sample_at(unix_us));
        assert_eq!(found, [Some(0), Some(48), Some(480), Some(528)]);
    }
}
