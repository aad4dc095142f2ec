//! What this program and this machine are doing: processor time and memory.

#[cfg(target_os = "linux")]
mod linux;

use std::time::Duration;

/// Counters of now. What the system does not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    /// Processor time of this program since it began, all threads.
    pub(crate) process_time: Option<Duration>,
    /// Processor time of everything since the machine began.
    pub(crate) load: Option<Load>,
    /// Memory of this program that is in use, bytes.
    pub(crate) memory: Option<u64>,
    /// Processors of the machine.
    pub(crate) processors: u32,
}

/// Processor time of all processors, in units of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) busy: u64,
    pub(crate) idle: u64,
}

impl Machine {
    /// Reads the counters: three short reads of files in memory on Linux, nothing elsewhere yet.
    pub(crate) fn read() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
        #[cfg(target_os = "linux")]
        let counted = Self {
            process_time: linux::process_time(),
            load: linux::load(),
            memory: linux::memory(),
            ..Self::default()
        };
        #[cfg(not(target_os = "linux"))]
        let counted = Self::default();
        Self { processors, ..counted }
    }
}
