//! One direction of a bad link, seeded, on a virtual clock.

/// xorshift64*: the same numbers in every run.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// 0 up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What a link adds to its delay.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Jitter {
    None,
    /// Evenly spread up to so many ms.
    Even(f64),
    /// Every so many ms everything is held back for so many ms and then comes at once.
    Held {
        every_ms: f64,
        for_ms: f64,
    },
    /// So many ms more from the first moment to the second.
    Detour {
        ms: f64,
        from_ms: f64,
        to_ms: f64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkPlan {
    pub(crate) name: &'static str,
    pub(crate) one_way_ms: f64,
    pub(crate) loss: f64,
    /// Mean length of a burst of losses, in packets; 1 for independent losses.
    pub(crate) burst: f64,
    pub(crate) jitter: Jitter,
    /// Sender's clock against the receiver's.
    pub(crate) drift_ppm: f64,
    pub(crate) budget_kbps: u64,
}

pub(crate) struct Link {
    plan: LinkPlan,
    random: Seeded,
    bad: bool,
    last_ms: f64,
}

impl Link {
    pub(crate) fn new(plan: LinkPlan, seed: u64) -> Self {
        Self { plan, random: Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), bad: false, last_ms: 0.0 }
    }

    /// When a packet sent at `at_ms` arrives; packets keep their order.
    pub(crate) fn carry(&mut self, at_ms: f64) -> Option<f64> {
        if self.loses() {
            return None;
        }
        let extra = match self.plan.jitter {
            Jitter::None => 0.0,
            Jitter::Even(ms) => ms * self.random.unit(),
            Jitter::Held { every_ms, for_ms } => (for_ms - at_ms % every_ms).max(0.0),
            Jitter::Detour { ms, from_ms, to_ms } => {
                if (from_ms..to_ms).contains(&at_ms) {
                    ms
                } else {
                    0.0
                }
            }
        };
        // Even a quiet machine wakes its threads a little late.
        let wake = 0.7 * self.random.unit();
        self.last_ms = self.last_ms.max(at_ms + self.plan.one_way_ms + extra + wake);
        Some(self.last_ms)
    }

    /// Gilbert's model: all is lost in the bad state.
    fn loses(&mut self) -> bool {
        let LinkPlan { loss, burst, .. } = self.plan;
        let draw = self.random.unit();
        if burst <= 1.0 {
            return draw < loss;
        }
        self.bad = if self.bad { draw >= 1.0 / burst } else { draw < loss / (1.0 - loss) / burst };
        self.bad
    }
}
