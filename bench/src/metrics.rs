//! What is compared.

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
    /// Neither: it explains the others.
    Neither,
}

/// A figure of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    /// Its name in results.
    pub(crate) name: &'static str,
    /// Its name in tables, with the unit.
    pub(crate) label: &'static str,
    pub(crate) digits: usize,
    pub(crate) better: Better,
    /// Whether the line that a run prints has it.
    pub(crate) brief: bool,
}

const fn metric(name: &'static str, label: &'static str, digits: usize, better: Better, brief: bool) -> Metric {
    Metric { name, label, digits, better, brief }
}

use Better::{Less, More, Neither};

/// All of them, in the order of the table. docs/decisions/0011 says how each is taken.
pub(crate) const ALL: [Metric; 32] = [
    metric("latency_p50", "latency p50, ms", 0, Less, true),
    metric("latency_p95", "latency p95, ms", 0, Less, true),
    metric("latency_max", "latency, worst, ms", 0, Less, false),
    metric("fps", "pictures a second", 1, More, true),
    metric("frozen_s", "frozen, s", 1, Less, true),
    metric("worst_gap_ms", "longest gap, ms", 0, Less, false),
    metric("ssim", "SSIM p50", 3, More, true),
    metric("first_ms", "first picture, ms", 0, Less, true),
    metric("sent_kbps", "sent, kbit/s", 0, Neither, true),
    metric("height_p50", "lines of the picture, p50", 0, More, true),
    metric("height_max", "lines of the picture, most", 0, Neither, false),
    metric("full_size_s", "720 lines after, s", 1, Less, false),
    metric("sound_p50", "sound delay p50, ms", 0, Less, true),
    metric("sound_p95", "sound delay p95, ms", 0, Less, true),
    metric("sound_damaged_pct", "sound damaged, %", 1, Less, true),
    metric("sound_gap_ms", "sound: longest damage, ms", 0, Less, false),
    metric("concealed_pct", "sound concealed, own count, %", 1, Neither, false),
    metric("lip_sync_p95", "lip sync, off by p95, ms", 0, Less, true),
    metric("settle_s", "settled after the drop, s", 1, Less, true),
    metric("back_s", "picture back after, s", 2, Less, true),
    metric("regain_s", "old rate back after, s", 1, Less, true),
    metric("share_pct", "share of the smaller call, %", 0, More, true),
    metric("together_kbps", "both calls together, kbit/s", 0, More, true),
    metric("cpu_a", "processor seconds a minute, a", 1, Less, true),
    metric("cpu_b", "processor seconds a minute, b", 1, Less, true),
    metric("memory_a", "memory, a, MiB", 0, Less, true),
    metric("memory_b", "memory, b, MiB", 0, Less, true),
    metric("height_a", "lines of the picture, a sees", 0, Neither, true),
    metric("height_b", "lines of the picture, b sees", 0, Neither, true),
    metric("fps_a", "pictures a second, a sees", 1, Neither, true),
    metric("fps_b", "pictures a second, b sees", 1, Neither, true),
    metric("known_pct", "pictures whose number is readable, %", 0, Neither, false),
];
