//! Which picture size and rate of pictures suit the content, the path and this machine.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::governor::Governor;
use super::quantizer::Operating;
use super::scale::fit_within;
use crate::frame::VideoCodec;
use crate::units::Bitrate;

/// Heights of a landscape picture (shorter sides), and the VP9 rate from which a call begins with each.
const RUNGS: [(u32, u64); 6] = [(1080, 1_800), (720, 550), (540, 220), (360, 110), (270, 50), (180, 0)];
/// Above this quantiser the next smaller one of [`RUNGS`] looks better: there their SSIM curves cross. Those of 540 lines and fewer
/// are coded at a slower setting, which moves the point. Hardly anything looks better at 180 lines.
const COARSE: [f32; 6] = [42.0, 42.0, 45.0, 48.0, 51.0, 63.0];
/// A size is gone up to when it would land this much below its [`COARSE`], so that sizes do not flap.
const MARGIN: f32 = 5.0;
/// VP8 needs about this many percent of VP9's rate for the same picture (720p talking head, VMAF).
const VP8_PERCENT: u64 = 180;
/// Above this quantiser a screen is sent less often.
const COARSE_SCREEN: f32 = 44.0;
/// A larger size that lands below this one is worth it for certain.
const PLENTY: f32 = 32.0;
/// How long the quantiser must ask for a smaller size, for a larger one, and for one of which it is certain.
const DOWN_AFTER: Duration = Duration::from_millis(300);
const UP_AFTER: Duration = Duration::from_secs(1);
const UP_SOON: Duration = Duration::from_millis(400);
/// The same where a larger size costs a keyframe.
const UP_AFTER_KEYFRAME: Duration = Duration::from_secs(3);
/// Pictures of one size before its quantiser is believed: after a keyframe rate control is coarse for about this long.
const SETTLED: u32 = 15;
/// A cut of the rate that raises the quantiser by this much is acted on before the encoder shows it.
const FORETOLD: f32 = 6.0;
/// Weight of the newest quantiser in the average.
const NEWEST: f32 = 0.2;
/// The smallest size a slow machine goes down to (360 lines): below it fewer pictures a second are the lesser evil.
const MACHINE_LOWEST: usize = 3;
/// Below the first rate half the pictures are left out, until the second: 15 good ones look better than 30 bad ones.
const HALVE_BELOW_KBPS: u64 = 85;
const WHOLE_FROM_KBPS: u64 = 115;
/// Pause between pictures at half rate, and at the rates that shared screens go down to.
const HALF: Duration = Duration::from_millis(66);
const SCREEN_PAUSES: [Duration; 4] = [Duration::ZERO, HALF, Duration::from_millis(125), Duration::from_millis(200)];

/// Why the picture is smaller than its source (`RTCQualityLimitationReason` of the W3C's webrtc-stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QualityLimitation {
    /// It is not.
    #[default]
    None,
    /// The machine cannot encode a larger one in time.
    Cpu,
    /// The path does not carry a larger one.
    Bandwidth,
}

/// What the pictures show (`contentHint` of the W3C's mst-content-hint).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A camera: movement matters, so a thin path makes the picture smaller.
    #[default]
    Motion,
    /// A screen: letters must stay sharp, so a thin path makes pictures rarer.
    Screen,
}

/// What an encoder is asked for at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Codec in use.
    pub codec: VideoCodec,
    /// Target rate.
    pub bitrate: Bitrate,
    /// Size of the pictures that come in.
    pub source: (u32, u32),
    /// Largest size wanted.
    pub max: (u32, u32),
    /// What they show.
    pub content: Content,
}

/// Decides the size of the encoded picture, how many there are, and whether the encoder must hurry. Told the time.
///
/// It begins by the rate alone and then goes by the encoder's quantiser, which knows how hard the content is: an easy picture
/// keeps 720 lines at a rate where a hard one gets 360.
#[derive(Debug, Default)]
pub struct Adaptation {
    /// Index into [`RUNGS`]; `None` before the first picture.
    rung: Option<usize>,
    /// Mean quantiser, carried over to where the encoder is asked to be now.
    quantizer: Option<(f32, Operating)>,
    /// Pictures encoded since the last change of size.
    seen: u32,
    coarse_since: Option<Instant>,
    fine_since: Option<Instant>,
    half_rate: bool,
    /// Index into [`SCREEN_PAUSES`].
    pause: usize,
    governor: Governor,
}

impl Adaptation {
    /// The size to encode the next picture at; both sides even, aspect ratio kept.
    pub fn size(&mut self, now: Instant, asked: &Conditions) -> (u32, u32) {
        let (width, height) = fit_within(asked.source.0, asked.source.1, asked.max);
        let full = width.min(height);
        let top = RUNGS.iter().rposition(|&(short, _)| short >= full).unwrap_or(0);
        let rung = match (asked.content, self.rung) {
            (Content::Screen, _) => self.pace_screen(now, asked.bitrate, full, top),
            (Content::Motion, None) => first_rung(asked).max(top),
            (Content::Motion, Some(rung)) => self.next_rung(now, asked, full, rung.max(top), top),
        };
        self.half_rate = asked.bitrate.kbps() < if self.half_rate { WHOLE_FROM_KBPS } else { HALVE_BELOW_KBPS };
        self.rung = Some(rung);
        let rung = rung.max(self.governor.rung());
        scale_to_short_side(width, height, RUNGS[rung].0)
    }

    fn next_rung(&mut self, now: Instant, asked: &Conditions, full: u32, rung: usize, top: usize) -> usize {
        let at = |rung: usize| Operating { bitrate: asked.bitrate, short: RUNGS[rung].0.min(full) };
        let Some((mean, measured)) = self.quantizer else { return rung };
        let expected = |rung: usize| measured.expect(mean, at(rung));
        let is_coarse = expected(rung) > COARSE[rung];
        let coarse_for = lasting(&mut self.coarse_since, now, is_coarse);
        let lowest = RUNGS.len() - 1;
        let foretold = expected(rung) - mean >= FORETOLD;
        if is_coarse && (foretold || self.seen >= SETTLED && coarse_for >= DOWN_AFTER) {
            let next = (rung..=lowest).find(|&rung| expected(rung) <= COARSE[rung]).unwrap_or(lowest);
            return self.change(rung, next.max((rung + 1).min(lowest)));
        }
        let larger = (top..rung).find(|&larger| expected(larger) <= COARSE[larger] - MARGIN);
        let fine_for = lasting(&mut self.fine_since, now, larger.is_some() && self.seen >= SETTLED);
        let Some(larger) = larger else { return rung };
        let patience = match asked.codec {
            VideoCodec::Vp8 => UP_AFTER_KEYFRAME,
            VideoCodec::Vp9 if expected(larger) <= PLENTY => UP_SOON,
            VideoCodec::Vp9 => UP_AFTER,
        };
        if self.fine_since.is_some() && fine_for >= patience { self.change(rung, larger) } else { rung }
    }

    fn change(&mut self, from: usize, to: usize) -> usize {
        if from != to {
            (self.coarse_since, self.fine_since, self.seen) = (None, None, 0);
        }
        to
    }

    /// Screens keep their size; what gives is how often they are sent.
    fn pace_screen(&mut self, now: Instant, bitrate: Bitrate, full: u32, top: usize) -> usize {
        let Some((mean, measured)) = self.quantizer else { return top };
        let expected = measured.expect(mean, Operating { bitrate, short: full });
        let coarse_for = lasting(&mut self.coarse_since, now, expected > COARSE_SCREEN && self.seen >= SETTLED);
        let fine_for = lasting(&mut self.fine_since, now, expected < PLENTY && self.seen >= SETTLED);
        let slower = self.coarse_since.is_some() && coarse_for >= DOWN_AFTER;
        let faster = self.fine_since.is_some() && fine_for >= UP_AFTER;
        let next = match (slower, faster) {
            (true, _) => (self.pause + 1).min(SCREEN_PAUSES.len() - 1),
            (false, true) => self.pause.saturating_sub(1),
            (false, false) => self.pause,
        };
        self.pause = self.change(self.pause, next);
        top
    }

    /// Told of each picture that went through the encoder: the quantiser it used, or the coarsest when it left the picture
    /// out, and what it had been asked for (rate, shorter side).
    pub fn encoded(&mut self, quantizer: u8, bitrate: Bitrate, size: (u32, u32)) {
        let now_at = Operating { bitrate, short: size.0.min(size.1) };
        let quantizer = f32::from(quantizer);
        let mean = match self.quantizer {
            Some((mean, at)) => {
                let carried = at.expect(mean, now_at);
                carried + (quantizer - carried) * NEWEST
            }
            None => quantizer,
        };
        self.quantizer = Some((mean, now_at));
        self.seen = self.seen.saturating_add(1);
    }

    /// Least time from one encoded picture to the next.
    pub fn pause(&self, content: Content) -> Duration {
        match content {
            Content::Screen => SCREEN_PAUSES[self.pause],
            Content::Motion if self.half_rate => HALF,
            Content::Motion => Duration::ZERO,
        }
    }

    /// Whether the encoder should run at its fastest settings.
    #[must_use]
    pub fn hurry(&self) -> bool {
        self.governor.hurry()
    }

    /// What kept the last [`size`](Self::size) below the source's.
    #[must_use]
    pub fn limited_by(&self, source: (u32, u32), encoded: (u32, u32)) -> QualityLimitation {
        if source.0.min(source.1) <= encoded.0.min(encoded.1) {
            QualityLimitation::None
        } else if self.governor.rung() > self.rung.unwrap_or(0) {
            QualityLimitation::Cpu
        } else {
            QualityLimitation::Bandwidth
        }
    }

    /// Told how much of the time between two frames encoding took, on average; 1 means that it never rests.
    pub fn load(&mut self, now: Instant, share: f32, encoded: (u32, u32)) {
        let short = encoded.0.min(encoded.1);
        let current = RUNGS.iter().position(|&(rung, _)| rung <= short).unwrap_or(RUNGS.len() - 1);
        self.governor.load(now, share, current, MACHINE_LOWEST);
    }
}

/// How long `holds` has been true without a break.
fn lasting(since: &mut Option<Instant>, now: Instant, holds: bool) -> Duration {
    if !holds {
        *since = None;
        return Duration::ZERO;
    }
    now.saturating_duration_since(*since.get_or_insert(now))
}

fn first_rung(asked: &Conditions) -> usize {
    let percent = match asked.codec {
        VideoCodec::Vp9 => 100,
        VideoCodec::Vp8 => VP8_PERCENT,
    };
    let fits = |&(_, kbps): &(u32, u64)| asked.bitrate.kbps() * 100 >= kbps * percent;
    RUNGS.iter().position(fits).unwrap_or(RUNGS.len() - 1)
}

fn scale_to_short_side(width: u32, height: u32, short: u32) -> (u32, u32) {
    if width.min(height) <= short {
        return (width, height);
    }
    if width >= height {
        fit_within(width, height, (u32::MAX, short))
    } else {
        fit_within(width, height, (short, u32::MAX))
    }
}

#[cfg(test)]
#[path = "adapt_tests.rs"]
mod tests;
