//! What the server counts, for whoever runs it, in Prometheus' text format (version 0.0.4). Numbers only: no address, no id.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::relay::{RelayRefusal, RelayStats};

/// Upper ends of the join histogram's buckets, in seconds.
const JOIN_BUCKETS_S: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Counters of one server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_total: AtomicU64,
    pub(crate) rooms: AtomicU64,
    pub(crate) members: AtomicU64,
    pub(crate) resumes: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) frame_bytes: AtomicU64,
    pub(crate) opening_failures: AtomicU64,
    pub(crate) draining: AtomicU64,
    joins: Mutex<Histogram>,
    /// By a reason that is a constant of the code or of the protocol.
    rejects: Mutex<BTreeMap<String, u64>>,
}

#[derive(Debug, Default)]
struct Histogram {
    /// Those that took at most as long as the bucket says, and longer than the one before.
    buckets: [u64; JOIN_BUCKETS_S.len()],
    count: u64,
    sum: Duration,
}

impl Metrics {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn set(gauge: &AtomicU64, to: usize) {
        gauge.store(u64::try_from(to).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Somebody joined a room; from the frame's arrival to the answer in the outbox.
    pub(crate) fn joined(&self, took: Duration) {
        let mut joins = self.joins.lock().unwrap_or_else(PoisonError::into_inner);
        joins.count += 1;
        joins.sum += took;
        if let Some(at) = JOIN_BUCKETS_S.iter().position(|end| took.as_secs_f64() <= *end) {
            joins.buckets[at] += 1;
        }
    }

    /// Something was refused.
    pub(crate) fn rejected(&self, reason: &str) {
        let mut rejects = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        match rejects.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                rejects.insert(reason.to_owned(), 1);
            }
        }
    }

    /// All of it, with the days that the certificate is still good and with the relay's figures, if there are such.
    pub(crate) fn text(&self, certificate_days: Option<f64>, relay: Option<&RelayStats>) -> String {
        let mut text = Text::default();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        text.metric("connections", "gauge", "Open sockets", read(&self.connections));
        text.metric("connections_total", "counter", "Sockets opened", read(&self.connections_total));
        text.metric(
            "opening_failures_total",
            "counter",
            "Connections that came to nothing",
            read(&self.opening_failures),
        );
        text.metric("rooms", "gauge", "Rooms with somebody in them", read(&self.rooms));
        text.metric("members", "gauge", "Members of rooms, those that may resume included", read(&self.members));
        text.metric("resumes_total", "counter", "Members that came back on a new socket", read(&self.resumes));
        text.metric("frames_relayed_total", "counter", "Sealed bodies passed on", read(&self.frames));
        text.metric("frame_bytes_relayed_total", "counter", "Their size in bytes", read(&self.frame_bytes));
        text.metric("draining", "gauge", "1 while the server waits for its clients to leave", read(&self.draining));
        if let Some(days) = certificate_days {
            text.metric("certificate_days_left", "gauge", "Days until the certificate expires", format!("{days:.3}"));
        }
        self.joins(&mut text);
        self.rejects(&mut text);
        if let Some(stats) = relay {
            relayed(&mut text, stats);
        }
        text.0
    }

    fn joins(&self, text: &mut Text) {
        let joins = self.joins.lock().unwrap_or_else(PoisonError::into_inner);
        text.head("join_seconds", "histogram", "Time from a join's arrival to its answer");
        let mut so_far = 0;
        for (end, count) in JOIN_BUCKETS_S.iter().zip(joins.buckets) {
            so_far += count;
            text.line("join_seconds_bucket", &format!("{{le=\"{end}\"}}"), so_far);
        }
        text.line("join_seconds_bucket", "{le=\"+Inf\"}", joins.count);
        text.line("join_seconds_sum", "", joins.sum.as_secs_f64());
        text.line("join_seconds_count", "", joins.count);
    }

    fn rejects(&self, text: &mut Text) {
        let rejects = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        text.head("rejects_total", "counter", "What was refused, by reason");
        for (reason, count) in &*rejects {
            text.line("rejects_total", &format!("{{reason=\"{reason}\"}}"), count);
        }
    }
}

fn relayed(text: &mut Text, stats: &RelayStats) {
    text.metric("relay_allocations", "gauge", "Allocations now", stats.allocations_live);
    text.metric("relay_allocations_total", "counter", "Allocations made", stats.allocations_total);
    text.metric("relay_streams", "gauge", "Relay connections over TCP and TLS", stats.streams_live);
    text.metric("relay_bindings_total", "counter", "STUN binding requests answered", stats.bindings);
    text.metric("relay_packets_total", "counter", "Packets relayed", stats.relayed_packets);
    text.metric("relay_bytes_total", "counter", "Bytes relayed", stats.relayed_bytes);
    text.metric("relay_requests_ignored_total", "counter", "Requests that came too fast", stats.strangers_ignored);
    text.head("relay_refused_total", "counter", "Requests to the relay that were refused, by reason");
    for why in RelayRefusal::ALL {
        text.line("relay_refused_total", &format!("{{reason=\"{}\"}}", why.name()), stats.refused(why));
    }
    text.head("relay_dropped_total", "counter", "Packets that the relay dropped, by reason");
    for (reason, count) in [
        ("cap", stats.dropped_by_cap),
        ("total_cap", stats.dropped_by_total_cap),
        ("no_peer", stats.dropped_without_peer),
        ("slow_reader", stats.dropped_by_slow_reader),
        ("malformed", stats.malformed),
    ] {
        text.line("relay_dropped_total", &format!("{{reason=\"{reason}\"}}"), count);
    }
}

/// Metrics as lines.
#[derive(Default)]
struct Text(String);

impl Text {
    fn metric(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP eyeline_{name} {help}.\n# TYPE eyeline_{name} {kind}").expect("a string takes all");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "eyeline_{name}{labels} {value}").expect("a string takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_prometheus_text() {
        let metrics = Metrics::default();
        Metrics::add(&metrics.frames, 3);
        metrics.joined(Duration::from_micros(700));
        metrics.joined(Duration::from_secs(9));
        metrics.rejected("room_full");
        metrics.rejected("room_full");
        let text = metrics.text(Some(29.5), Some(&RelayStats { relayed_bytes: 7, ..RelayStats::default() }));
        for line in [
            "# TYPE eyeline_frames_relayed_total counter",
            "eyeline_frames_relayed_total 3",
            "eyeline_join_seconds_bucket{le=\"0.0005\"} 0",
            "eyeline_join_seconds_bucket{le=\"0.001\"} 1",
            "eyeline_join_seconds_bucket{le=\"2.5\"} 1",
            "eyeline_join_seconds_bucket{le=\"+Inf\"} 2",
            "eyeline_join_seconds_sum 9.0007",
            "eyeline_rejects_total{reason=\"room_full\"} 2",
            "eyeline_certificate_days_left 29.500",
            "eyeline_relay_bytes_total 7",
            "eyeline_relay_refused_total{reason=\"forbidden\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        let text = metrics.text(None, None);
        assert!(!text.contains("certificate") && !text.contains("relay_"));
    }
}
