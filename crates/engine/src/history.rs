//! The ring of figures behind the quality panel.
//!
//! It is the engine's and not the page's: a webview that is hidden, throttled or loaded anew misses seconds, and the figures
//! of a call are wanted most after it went wrong and ended. See `docs/decisions/0017-quality-panel.md`.

use std::collections::VecDeque;

use crate::view::{CallStats, Connection, Path, QualityHistory, QualityReport};

/// Samples kept: five minutes, one a second. When full the oldest goes.
const KEPT: usize = 300;

/// What is known of a call at one second.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// When the call began, unix milliseconds: tells calls apart.
    pub(crate) call_since_ms: i64,
    /// Now, unix milliseconds.
    pub(crate) at_ms: i64,
    /// While packets do not flow: since when, unix milliseconds.
    pub(crate) outage_since_ms: Option<i64>,
    pub(crate) path: Path,
    pub(crate) stats: CallStats,
}

/// The last minutes of the call that is going on, or of the last one.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Sample>);

impl History {
    /// Takes the figures of another second. Those of another call than before replace them all.
    pub(crate) fn record(&mut self, sample: Sample) {
        if self.0.back().is_some_and(|last| last.call_since_ms != sample.call_since_ms) {
            self.0.clear();
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// What there is to show; `None` before the first second of a first call.
    pub(crate) fn report(&self) -> Option<QualityReport> {
        let last = self.0.back()?;
        Some(QualityReport {
            duration_ms: last.at_ms.saturating_sub(last.call_since_ms).max(0),
            connection: match last.outage_since_ms {
                None => Connection::Connected,
                Some(_) => Connection::Reconnecting,
            },
            outage_ms: last.outage_since_ms.map(|since| last.at_ms.saturating_sub(since).max(0)),
            path: last.path,
            stats: last.stats.clone(),
            history: self.columns(),
        })
    }

    fn columns(&self) -> QualityHistory {
        let number = |figure: fn(&CallStats) -> f64, step: f64| -> Vec<f32> {
            self.0.iter().map(|sample| rounded(figure(&sample.stats), step)).collect()
        };
        let known = |figure: fn(&CallStats) -> Option<f64>, step: f64| -> Vec<Option<f32>> {
            self.0.iter().map(|sample| figure(&sample.stats).map(|value| rounded(value, step))).collect()
        };
        let count =
            |figure: fn(&CallStats) -> u32| -> Vec<u32> { self.0.iter().map(|sample| figure(&sample.stats)).collect() };
        QualityHistory {
            reconnecting: self.0.iter().map(|sample| sample.outage_since_ms.is_some()).collect(),
            latency_ms_p50: known(|stats| stats.latency_ms_p50, 0.1),
            latency_ms_p95: known(|stats| stats.latency_ms_p95, 0.1),
            received_kbps: number(|stats| stats.received_kbps, 1.0),
            sent_kbps: number(|stats| stats.sent_kbps, 1.0),
            estimate_kbps: number(|stats| stats.estimate_kbps, 1.0),
            received_loss: number(|stats| stats.received_loss, 0.0001),
            sent_loss: number(|stats| stats.sent_loss, 0.0001),
            rtt_ms: known(|stats| stats.rtt_ms, 0.1),
            jitter_ms: number(|stats| stats.jitter_ms, 0.1),
            received_fps: number(|stats| stats.received_fps, 0.1),
            sent_fps: number(|stats| stats.sent_fps, 0.1),
            received_height: count(|stats| stats.received_height),
            sent_height: count(|stats| stats.sent_height),
            audio_delay_ms: number(|stats| stats.audio_delay_ms, 0.1),
            concealed: number(|stats| stats.concealed, 0.0001),
            lip_sync_ms: known(|stats| stats.lip_sync_ms, 0.1),
            cpu: known(|stats| stats.cpu, 0.001),
        }
    }
}

/// To the nearest multiple of `step`, which is short in JSON.
#[expect(clippy::cast_possible_truncation, reason = "a plot needs no more digits than an f32 has")]
fn rounded(value: f64, step: f64) -> f32 {
    // Dividing by a whole number gives the float nearest to the decimal fraction; multiplying by `step` would not.
    let per_unit = (1.0 / step).round();
    ((value * per_unit).round() / per_unit) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(call_since_ms: i64, second: u32) -> Sample {
        Sample {
            call_since_ms,
            at_ms: call_since_ms + i64::from(second) * 1_000,
            outage_since_ms: None,
            path: Path::Direct,
            stats: CallStats {
                latency_ms_p50: Some(f64::from(second) + 0.123_456),
                received_loss: 0.012_345,
                ..CallStats::default()
            },
        }
    }

    #[test]
    fn five_minutes_are_kept_and_every_list_is_as_long() {
        let mut history = History::default();
        assert_eq!(history.report(), None);
        for second in 1..=1_000 {
            history.record(sample(5_000, second));
        }
        let report = history.report().expect("recorded");
        let columns = serde_json::to_value(&report.history).expect("plain data");
        for (name, column) in columns.as_object().expect("an object") {
            assert_eq!(column.as_array().map(Vec::len), Some(KEPT), "{name}");
        }
        assert_eq!(report.history.latency_ms_p50[0], Some(701.1));
        assert_eq!(report.duration_ms, 1_000_000);
        assert!(report.stats.latency_ms_p50.is_some_and(|ms| ms > 1_000.1), "the last figures are not rounded");
    }

    /// It is asked for each second while somebody looks, so its size is a promise.
    #[test]
    fn a_full_history_is_small() {
        let mut history = History::default();
        for second in 0..300 {
            let mut sample = sample(0, second);
            let varied = f64::from(second) * 7.654_321;
            sample.stats = CallStats {
                latency_ms_p95: Some(varied),
                received_kbps: varied,
                sent_kbps: varied,
                estimate_kbps: varied,
                rtt_ms: Some(varied),
                jitter_ms: varied,
                received_fps: 29.97,
                sent_fps: 29.97,
                lip_sync_ms: Some(-varied),
                cpu: Some(0.345_678),
                ..sample.stats
            };
            history.record(sample);
        }
        let text = serde_json::to_string(&history.report()).expect("plain data");
        assert!(text.len() < 40_000, "{} bytes", text.len());
    }

    #[test]
    fn another_call_begins_with_nothing() {
        let mut history = History::default();
        history.record(sample(5_000, 1));
        history.record(sample(5_000, 2));
        let outage = Sample { outage_since_ms: Some(99_500), ..sample(99_000, 2) };
        history.record(outage);
        let report = history.report().expect("recorded");
        assert_eq!(report.history.reconnecting, [true]);
        assert_eq!((report.connection, report.outage_ms), (Connection::Reconnecting, Some(1_500)));
    }
}
