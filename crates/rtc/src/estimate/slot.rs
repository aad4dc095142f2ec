//! Fits an [`Estimator`] into the stack's slot and publishes its target.

use std::sync::Arc;
use std::time::Instant;

use rtc::interceptor::{BandwidthEstimator, PacketReport};

use super::{Estimator, PacketFeedback};
use crate::link::Link;

/// See the module.
pub(crate) struct EstimatorSlot<E> {
    estimator: E,
    link: Arc<Link>,
}

impl<E: Estimator> EstimatorSlot<E> {
    pub(crate) fn new(estimator: E, link: Arc<Link>) -> Self {
        Self { estimator, link }
    }
}

impl<E: Estimator> BandwidthEstimator for EstimatorSlot<E> {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.link.note_losses(reports.iter().map(|report| !report.arrived));
        let reports: Vec<PacketFeedback> = reports
            .iter()
            .map(|report| PacketFeedback {
                size: report.size,
                departure: report.departure,
                arrival: report.arrival.filter(|_| report.arrived),
            })
            .collect();
        self.estimator.on_reports(now, &reports);
        self.link.set_target(self.estimator.target());
    }

    fn target_bitrate(&self) -> f64 {
        // Bitrates are far below 2^53.
        self.estimator.target().bps() as f64
    }
}
