//! Delay of the sound, how much of it was damaged, and how far it is from the picture.

use eyeline_tests::logs::{Recording, count, percentile};
use eyeline_tests::sound::SAMPLE_RATE;

use super::picture::Frame;
use super::{Span, median};
use crate::call::Trace;

/// Compared at 8 kHz: what speech codecs keep best.
const DECIMATION: usize = 6;
const RATE: usize = SAMPLE_RATE / DECIMATION;
/// A stretch that is looked for, and how far apart two of them begin.
const STRETCH: usize = RATE * 2 / 5;
const STRETCH_STEP: usize = RATE / 4;
/// The latest it may be heard.
const DELAY_MAX: usize = RATE * 3 / 2;
/// How far from the last delay it is looked for at first.
const NEAR: usize = RATE * 3 / 20;
/// As alike as a stretch must be to say when it was heard.
const FOUND: f64 = 0.6;
/// A window that is judged: 20 ms.
const WINDOW: usize = RATE / 50;
/// How far a window may be from where its neighbourhood was found: 2 ms.
const SLACK: usize = RATE / 500;
/// Delays of two anchors that are further apart than this, 100 ms, have a jump between them.
const STRETCHED_MAX: usize = RATE / 10;
/// Less alike than this, a window is damaged.
const WHOLE: f64 = 0.6;
/// Quieter than this share of the loudest, a window is a pause and not judged.
const PAUSE: f64 = 0.05;

/// A stretch of what was said, found in what was heard.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    /// Where in what was said, and in what was heard, at 8 kHz.
    said: usize,
    heard: usize,
    said_us: i64,
    delay_ms: f64,
}

/// Figures of the sound said in a span.
pub(super) fn measure(trace: &Trace, frames: &[Frame], span: Span, note: &mut impl FnMut(&str, f64)) {
    if let Some(concealed) = trace.concealed {
        note("concealed_pct", concealed * 100.0);
    }
    let (said, heard) = (decimate(&trace.said.samples), decimate(&trace.heard.samples));
    let spoken = spoken_in(&trace.said, said.len(), span);
    let anchors = anchors(trace, &said, &heard, spoken.clone());
    let delays: Vec<f64> = anchors.iter().map(|anchor| anchor.delay_ms).collect();
    note("sound_p50", percentile(&delays, 0.5));
    note("sound_p95", percentile(&delays, 0.95));
    if !anchors.is_empty() {
        let damaged = damaged(&said, &heard, spoken, &anchors);
        let share = count(damaged.iter().filter(|damaged| **damaged).count()) / count(damaged.len());
        note("sound_damaged_pct", share * 100.0);
        let longest = damaged.split(|damaged| !damaged).map(<[bool]>::len).max().unwrap_or(0);
        note("sound_gap_ms", count(longest) * 20.0);
    }
    let apart = lip_sync_ms(&anchors, frames);
    note("lip_sync_p95", percentile(&apart, 0.95));
}

/// Samples of 8 kHz that were said in the span and early enough to be heard in it.
fn spoken_in(said: &Recording, length: usize, span: Span) -> std::ops::Range<usize> {
    let at = |unix_us| said.sample_at(unix_us).unwrap_or(0) / DECIMATION;
    let until = at(span.until).saturating_sub(RATE);
    at(span.from).min(length)..until.min(length)
}

fn anchors(trace: &Trace, said: &[f32], heard: &[f32], spoken: std::ops::Range<usize>) -> Vec<Anchor> {
    let energy = energy_before(heard);
    let loudest = loudest(said, spoken.clone(), STRETCH);
    let mut anchors: Vec<Anchor> = Vec::new();
    let mut at = spoken.start;
    while at + STRETCH <= spoken.end {
        let needle = &said[at..at + STRETCH];
        if power(needle) > loudest * PAUSE
            && let Some(anchor) = find(trace, needle, at, heard, &energy, anchors.last())
        {
            anchors.push(anchor);
        }
        at += STRETCH_STEP;
    }
    anchors
}

/// Looks near the last delay first, then everywhere.
fn find(
    trace: &Trace,
    needle: &[f32],
    at: usize,
    heard: &[f32],
    energy: &[f64],
    last: Option<&Anchor>,
) -> Option<Anchor> {
    let said_us = trace.said.time_of(at * DECIMATION)?;
    let from = trace.heard.sample_at(said_us)? / DECIMATION;
    let near = last.and_then(|last| {
        let expected = at + last.heard - last.said.min(last.heard);
        let expected = if last.heard >= last.said { expected } else { (at + last.heard).checked_sub(last.said)? };
        best(needle, heard, energy, expected.saturating_sub(NEAR)..expected + NEAR)
    });
    let found = near.filter(|found| found.1 > 0.9).or_else(|| best(needle, heard, energy, from..from + DELAY_MAX))?;
    let (place, likeness) = found;
    let played_us = trace.heard.time_of(place * DECIMATION)?;
    let anchor = Anchor { said: at, heard: place, said_us, delay_ms: (played_us - said_us) as f64 / 1e3 };
    (likeness > FOUND).then_some(anchor)
}

/// For every window of speech: whether what was heard of it is something else.
fn damaged(said: &[f32], heard: &[f32], spoken: std::ops::Range<usize>, anchors: &[Anchor]) -> Vec<bool> {
    let energy = energy_before(heard);
    let loudest = loudest(said, spoken.clone(), WINDOW);
    let mut windows = Vec::new();
    for at in spoken.step_by(WINDOW) {
        let Some(window) = said.get(at..at + WINDOW) else { break };
        if power(window) < loudest * PAUSE {
            continue;
        }
        let next = anchors.partition_point(|anchor| anchor.said <= at);
        let around = &anchors[next.saturating_sub(1)..(next + 1).min(anchors.len())];
        let places = around.iter().filter_map(|anchor| (at + anchor.heard).checked_sub(anchor.said));
        let (first, last) = places.fold((usize::MAX, 0), |(first, last), place| (first.min(place), last.max(place)));
        // Between two anchors the delay is one of theirs, or on its way from one to the other.
        let between =
            if last - first <= STRETCHED_MAX { vec![(first, last)] } else { vec![(first, first), (last, last)] };
        let likeness = between.into_iter().filter_map(|(first, last)| {
            best(window, heard, &energy, first.saturating_sub(SLACK)..last + SLACK + 1).map(|found| found.1)
        });
        windows.push(likeness.fold(0.0, f64::max) < WHOLE);
    }
    windows
}

/// How much later than the picture of the same moment the sound was, without sign.
fn lip_sync_ms(anchors: &[Anchor], frames: &[Frame]) -> Vec<f64> {
    const AROUND_US: i64 = 250_000;
    let apart = |anchor: &Anchor| {
        let near = frames
            .iter()
            .filter(|frame| frame.captured_us.is_some_and(|captured| (captured - anchor.said_us).abs() < AROUND_US));
        let latencies: Vec<f64> = near.filter_map(Frame::latency_ms).collect();
        (!latencies.is_empty()).then(|| (anchor.delay_ms - median(&latencies)).abs())
    };
    anchors.iter().filter_map(apart).collect()
}

/// Means of six samples each: a plain low-pass filter.
fn decimate(samples: &[i16]) -> Vec<f32> {
    samples.chunks_exact(DECIMATION).map(|group| group.iter().map(|sample| f32::from(*sample)).sum::<f32>()).collect()
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

fn loudest(said: &[f32], spoken: std::ops::Range<usize>, length: usize) -> f64 {
    said.get(spoken).unwrap_or(&[]).chunks_exact(length).map(power).fold(0.0, f64::max)
}

/// Energy of everything before each sample, so that the energy of a stretch is one subtraction.
fn energy_before(samples: &[f32]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut before = vec![0.0];
    before.extend(samples.iter().map(|sample| {
        sum += f64::from(*sample).powi(2);
        sum
    }));
    before
}

/// The place in this range of `hay` where the stretch that begins there is most like the needle, and how alike it is: 1 when
/// equal up to loudness, about 0 when unrelated.
fn best(needle: &[f32], hay: &[f32], energy: &[f64], places: std::ops::Range<usize>) -> Option<(usize, f64)> {
    let last = hay.len().checked_sub(needle.len())?;
    let needle_energy = power(needle);
    let likeness = |at: usize| {
        let scale = (needle_energy * (energy[at + needle.len()] - energy[at])).sqrt();
        if scale > 0.0 { f64::from(product(needle, &hay[at..at + needle.len()])) / scale } else { 0.0 }
    };
    let places = places.start..places.end.min(last + 1);
    places.map(|at| (at, likeness(at))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Eight sums side by side, which the processor adds at once.
fn product(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use eyeline_tests::logs::SoundMark;
    use eyeline_tests::sound::speech;

    use super::*;

    fn recording(samples: Vec<i16>, start_us: i64) -> Recording {
        Recording { samples, marks: vec![SoundMark { unix_us: start_us, first_sample: 0 }] }
    }

    fn figures(heard: Vec<i16>) -> std::collections::BTreeMap<String, f64> {
        let said = recording(speech(12), 0);
        let trace = Trace { said, heard: recording(heard, 0), ..Trace::default() };
        let mut figures = std::collections::BTreeMap::new();
        let span = Span { from: 1_000_000, until: 11_000_000 };
        measure(&trace, &[], span, &mut |name, value| {
            figures.insert(name.to_owned(), value);
        });
        figures
    }

    fn late(by: usize) -> Vec<i16> {
        [vec![0; by], speech(12)].concat()
    }

    #[test]
    fn whole_sound_has_its_delay_and_no_damage() {
        let figures = figures(late(SAMPLE_RATE / 10));
        assert!(
            (figures["sound_p50"] - 100.0).abs() < 0.5 && (figures["sound_p95"] - 100.0).abs() < 0.5,
            "{figures:?}"
        );
        assert!(figures["sound_damaged_pct"] < 0.1, "{figures:?}");
    }

    #[test]
    fn holes_are_damage_of_their_share_and_length() {
        let mut heard = late(SAMPLE_RATE / 10);
        // 60 ms of every half second.
        for second in heard.chunks_mut(SAMPLE_RATE / 2) {
            let hole = second.len().min(SAMPLE_RATE * 60 / 1000);
            second[..hole].fill(0);
        }
        let figures = figures(heard);
        assert!((figures["sound_damaged_pct"] - 12.0).abs() < 5.0, "{figures:?}");
        assert!((40.0..=80.0).contains(&figures["sound_gap_ms"]), "{figures:?}");
    }

    #[test]
    fn a_delay_that_changes_is_followed() {
        // Half a second more after six seconds.
        let whole = speech(12);
        let (before, after) = whole.split_at(6 * SAMPLE_RATE);
        let figures = figures([before, &vec![0; SAMPLE_RATE / 2], after].concat());
        assert!(figures["sound_p95"] > 495.0 && figures["sound_damaged_pct"] < 3.0, "{figures:?}");
    }
}
