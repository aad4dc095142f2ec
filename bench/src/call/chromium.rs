//! Chromium: two headless browsers with a page that makes a plain call (`bench/pages`).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eyeline_tests::browser::{Browser, BrowserSetup};
use eyeline_tests::lan::Host;
use eyeline_tests::logs::{Captured, FrameLog, Recording, Shown, SoundMark};
use eyeline_tests::peer::unix_us;
use eyeline_tests::picture::{Code, Luma};
use eyeline_tests::scene::repository;
use eyeline_tests::{Failure, Outcome, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::signaling::Signaling;
use super::{CONNECT_LIMIT, Kept, Stage, Trace, micros, sleep_until};
use crate::analysis::{Figures, analyse};
use crate::cost::Meter;
use crate::scenario::{Kind, SETTLE};
use crate::share;

/// Between two looks whether the first picture is there.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Of so many comparisons of clocks the quickest counts.
const CLOCK_QUESTIONS: usize = 20;

/// Name and version of the browser.
pub(crate) fn version() -> Outcome<String> {
    Browser::version()
}

/// Runs the scenario with the codec that the browser prefers by itself, or with VP9 preferred.
pub(crate) fn run(stage: &Stage<'_>, kind: Kind, vp9: bool) -> Outcome<(Figures, Vec<String>)> {
    let runtime = Runtime::new()?;
    let codec = if vp9 { "video/VP9" } else { "" };
    runtime.block_on(async {
        match kind {
            Kind::OneWay => one_way(stage, codec).await,
            Kind::Shared => shared(stage, codec).await,
            Kind::Cost => cost(stage, codec).await,
        }
    })
}

async fn one_way(stage: &Stage<'_>, codec: &str) -> Outcome<(Figures, Vec<String>)> {
    let mut call = Call::prepare(stage, "", codec, "full").await?;
    call.ask().await?;
    let first_us = call.first_picture().await?;
    stage.schedule(first_us);
    tokio::task::block_in_place(|| stage.play(first_us))?;
    let trace = call.collect().await?;
    let figures = analyse(&trace, &stage.emulator.record(), stage.scenario, stage.film)?;
    Ok((figures, trace.notes))
}

async fn shared(stage: &Stage<'_>, codec: &str) -> Outcome<(Figures, Vec<String>)> {
    let mut first = Call::prepare(stage, "-1", codec, "full").await?;
    let mut second = Call::prepare(stage, "-2", codec, "full").await?;
    first.ask().await?;
    second.ask().await?;
    let both_us = first.first_picture().await?.max(second.first_picture().await?);
    tokio::task::block_in_place(|| stage.play(both_us))?;
    let traces = [first.collect().await?, second.collect().await?];
    share::figures(stage, &traces, both_us)
}

/// Both directions; pictures are taken from the decoder and not drawn, as `eyeline-peer` draws none.
async fn cost(stage: &Stage<'_>, codec: &str) -> Outcome<(Figures, Vec<String>)> {
    let mut call = Call::prepare(stage, "", codec, "cost").await?;
    call.ask().await?;
    let until = Instant::now() + CONNECT_LIMIT;
    while call.b.browser.evaluate("drained").await?.as_u64() == Some(0) {
        ensure!(Instant::now() < until, "no picture in {CONNECT_LIMIT:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let first_us = unix_us();
    sleep_until(first_us + micros(SETTLE));
    let before = [call.a.figures().await?, call.b.figures().await?];
    let meter = Meter::start([call.a.browser.id(), call.b.browser.id()])?;
    sleep_until(first_us + micros(stage.scenario.length));
    let lasted = stage.scenario.length - SETTLE;
    let mut values = meter.figures(lasted)?;
    let after = [call.a.figures().await?, call.b.figures().await?];
    for (side, (before, after)) in ["a", "b"].into_iter().zip(before.iter().zip(&after)) {
        let drained = number(&after["drained"])? - number(&before["drained"])?;
        values.insert(format!("fps_{side}"), drained / lasted.as_secs_f64());
        values.insert(format!("height_{side}"), number(&after["drained_height"])?);
    }
    Ok((Figures { values, ..Figures::default() }, vec![after[1]["codec"].to_string()]))
}

/// Two pages, ready to call each other. a offers.
struct Call {
    a: Side,
    b: Side,
    _signaling: Signaling,
}

struct Side {
    browser: Browser,
    /// Unix microseconds when the page's clock was zero.
    epoch_us: f64,
}

impl Call {
    async fn prepare(stage: &Stage<'_>, name: &str, codec: &str, probe: &str) -> Outcome<Self> {
        let signaling = Signaling::start(&stage.network.server)?;
        let two_way = probe == "cost";
        let mut a = Side::open(stage, &format!("a{name}"), &stage.network.a).await?;
        let mut b = Side::open(stage, &format!("b{name}"), &stage.network.b).await?;
        for (side, sends) in [(&mut a, true), (&mut b, two_way)] {
            let options = json!({
                "signaling": signaling.url(), "camera": sends, "microphone": sends, "codec": codec, "probe": probe,
            });
            side.browser.evaluate(&format!("prepare({options})")).await?;
        }
        Ok(Self { a, b, _signaling: signaling })
    }

    /// The call is asked for when a, with its camera open and the other side on the line, begins to negotiate.
    async fn ask(&mut self) -> Outcome {
        self.a.browser.evaluate("call()").await.map(drop)
    }

    async fn first_picture(&mut self) -> Outcome<i64> {
        let until = Instant::now() + CONNECT_LIMIT;
        loop {
            let first = self.b.browser.evaluate("shown.length > 0 ? shown[0][0] : null").await?;
            if let Some(first) = first.as_f64() {
                return Ok(self.b.unix_us(first));
            }
            if Instant::now() > until {
                let logs = [self.a.log().await?, self.b.log().await?].join("\n--- b\n");
                return Err(Failure::new(format!("no picture in {CONNECT_LIMIT:?}\n--- a\n{logs}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn collect(&mut self) -> Outcome<Trace> {
        let asked = number(&self.a.browser.evaluate("asked_at").await?)?;
        let captured = self.a.captured().await?;
        let (shown, kept) = (self.b.shown().await?, self.b.kept().await?);
        let figures = self.b.figures().await?;
        let notes = vec![
            format!("{} by {}", figures["codec"], figures["decoder"]),
            format!("own count of freezes {} of {:.1} s", figures["freezes"], number(&figures["frozen_s"])?),
            self.b.log().await?.lines().filter(|line| line.contains("ice")).collect::<Vec<_>>().join(", "),
        ];
        Ok(Trace {
            asked_us: self.a.unix_us(asked),
            captured: FrameLog { captured, shown: Vec::new() },
            shown: FrameLog { captured: Vec::new(), shown },
            kept,
            said: self.a.sound("said").await?,
            heard: self.b.sound("heard").await?,
            concealed: figures["concealed"].as_f64(),
            notes,
        })
    }
}

impl Side {
    async fn open(stage: &Stage<'_>, name: &str, host: &Host) -> Outcome<Self> {
        let more = [
            format!("--use-file-for-fake-video-capture={}", stage.film.path().display()),
            format!("--use-file-for-fake-audio-capture={}", stage.speech.display()),
            "--window-size=1300,800".to_owned(),
        ];
        let page = repository().join("bench/pages/call.html");
        let setup = BrowserSetup { name, host, page: &page, more: &more };
        let mut browser = Browser::open_on(stage.scene, &setup).await?;
        let epoch_us = epoch_us(&mut browser).await?;
        Ok(Self { browser, epoch_us })
    }

    fn unix_us(&self, page_ms: f64) -> i64 {
        (self.epoch_us + page_ms * 1e3).round() as i64
    }

    async fn figures(&mut self) -> Outcome<Value> {
        self.browser.evaluate("figures()").await
    }

    async fn log(&mut self) -> Outcome<String> {
        Ok(self.browser.evaluate("page_log.join('\\n')").await?.as_str().unwrap_or("").to_owned())
    }

    /// Frames of the camera. See `probe_camera` for what their moment is.
    async fn captured(&mut self) -> Outcome<Vec<Captured>> {
        let entries: Vec<(f64, f64, String)> = serde_json::from_value(self.browser.evaluate("captured").await?)?;
        let quickest = entries.iter().map(|(stamp, at, _)| at - stamp).fold(f64::INFINITY, f64::min);
        let captured = entries.iter().filter_map(|(stamp, _, code)| {
            let number = Code::from_hex(code)?.number()?;
            Some(Captured { unix_us: self.unix_us(stamp + quickest), number: u64::from(number) })
        });
        Ok(captured.collect())
    }

    async fn shown(&mut self) -> Outcome<Vec<Shown>> {
        let entries: Vec<(f64, String, u32, u32, u64)> = serde_json::from_value(self.browser.evaluate("shown").await?)?;
        let shown = entries.into_iter().filter_map(|(at, code, width, height, _)| {
            // The last one may not have been read yet.
            Some(Shown { unix_us: self.unix_us(at), code: Code::from_hex(&code)?, width, height })
        });
        Ok(shown.collect())
    }

    async fn kept(&mut self) -> Outcome<Vec<Kept>> {
        let count = self.browser.evaluate("kept.length").await?.as_u64().unwrap_or(0);
        let mut kept = Vec::new();
        for index in 0..count {
            let picture = self.browser.evaluate(&format!("take_kept({index})")).await?;
            let side = |name: &str| picture[name].as_u64().and_then(|side| usize::try_from(side).ok()).unwrap_or(0);
            let pixels = STANDARD.decode(picture["luma"].as_str().unwrap_or(""))?;
            let (width, height) = (side("width"), side("height"));
            ensure!(pixels.len() == width * height, "a picture of {width}x{height} has {} bytes", pixels.len());
            let luma = Luma { width, height, pixels };
            kept.push(Kept { unix_us: self.unix_us(number(&picture["at"])?), luma });
        }
        Ok(kept)
    }

    async fn sound(&mut self, which: &str) -> Outcome<Recording> {
        let taken = self.browser.evaluate(&format!("take_sound('{which}')")).await?;
        let bytes = STANDARD.decode(taken["samples"].as_str().unwrap_or(""))?;
        let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let pieces: Vec<(f64, f64, usize)> = serde_json::from_value(taken["pieces"].clone())?;
        Ok(Recording { samples, marks: marks(&pieces) })
    }
}

/// When each piece of sound was: (first sample by the context's count, wall clock less that count in ms, samples). The wall clock
/// has whole milliseconds and is read when the system got around to it, so the median of a second around counts.
fn marks(pieces: &[(f64, f64, usize)]) -> Vec<SoundMark> {
    const AROUND: usize = 5;
    let mut first_sample = 0;
    let mut marks = Vec::new();
    for (at, (frame, _, length)) in pieces.iter().enumerate() {
        let around = &pieces[at.saturating_sub(AROUND)..(at + AROUND + 1).min(pieces.len())];
        let mut offsets: Vec<f64> = around.iter().map(|piece| piece.1).collect();
        offsets.sort_by(f64::total_cmp);
        let ms = offsets[offsets.len() / 2] + frame / 48.0;
        marks.push(SoundMark { unix_us: (ms * 1e3).round() as i64, first_sample });
        first_sample += length;
    }
    marks
}

/// When the page's clock was zero: read between two readings of ours, the closest pair of many.
async fn epoch_us(browser: &mut Browser) -> Outcome<f64> {
    let (mut best, mut epoch) = (i64::MAX, 0.0);
    for _ in 0..CLOCK_QUESTIONS {
        let before = unix_us();
        let page_ms = number(&browser.evaluate("performance.now()").await?)?;
        let after = unix_us();
        if after - before < best {
            best = after - before;
            epoch = f64::midpoint(before as f64, after as f64) - page_ms * 1e3;
        }
    }
    Ok(epoch)
}

fn number(value: &Value) -> Outcome<f64> {
    value.as_f64().ok_or_else(|| Failure::new(format!("{value} is not a number")))
}
