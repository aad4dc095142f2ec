//! The thread that carries packets from one machine to the other through two [`Link`]s.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use eyeline_emulator::{Counts, Link, LinkConfig};
use eyeline_tests::peer::unix_us;
use eyeline_tests::{Failure, Outcome};

use super::tun::Tun;
use super::{LINK_ADDRESSES, Network};
use crate::record::{BUCKET_US, Direction, LinkRecord};

/// The longest sleep: after it, changes of the link that were asked for meanwhile are seen.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Larger than any packet of a device whose MTU is 1500.
const PACKET_MAX: usize = 2_048;

/// From a to b, and back.
pub(crate) const FORTH: usize = 0;

/// The running emulator. It ends when this is dropped.
pub(crate) struct Emulator {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Default)]
struct Shared {
    /// What the link, in both directions, shall be like from which moment on (unix microseconds), in order.
    changes: Mutex<Vec<(i64, LinkConfig)>>,
    record: Mutex<LinkRecord>,
    ends: AtomicBool,
}

impl Emulator {
    /// Joins the two machines by a link that is like this in both directions.
    pub(crate) fn start(network: &Network, config: LinkConfig, seed: u64) -> Outcome<Self> {
        let ends = [Tun::open(&network.a, LINK_ADDRESSES[0])?, Tun::open(&network.b, LINK_ADDRESSES[1])?];
        let shared = Arc::new(Shared::default());
        let mut carrier = Carrier::new(ends, config, seed, shared.clone());
        let thread = thread::Builder::new().name("emulator".into()).spawn(move || carrier.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Changes the link at this moment, unix microseconds, or at once if it is past.
    pub(crate) fn change_at(&self, unix_us: i64, config: LinkConfig) {
        let mut changes = lock(&self.shared.changes);
        changes.push((unix_us, config));
        changes.sort_by_key(|change| change.0);
    }

    /// What has passed so far.
    pub(crate) fn record(&self) -> LinkRecord {
        lock(&self.shared.record).clone()
    }

    /// Ends it and returns what has passed.
    pub(crate) fn end(mut self) -> Outcome<LinkRecord> {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| Failure::new("the emulator panicked"))??;
        }
        Ok(self.record())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread has.
struct Carrier {
    ends: [Tun; 2],
    links: [Link<Box<[u8]>>; 2],
    start: Instant,
    start_us: i64,
    shared: Arc<Shared>,
}

impl Carrier {
    fn new(ends: [Tun; 2], config: LinkConfig, seed: u64, shared: Arc<Shared>) -> Self {
        let links = [Link::new(config, 2 * seed), Link::new(config, 2 * seed + 1)];
        Self { ends, links, start: Instant::now(), start_us: unix_us(), shared }
    }

    fn run(&mut self) -> io::Result<()> {
        take_precedence();
        while !self.shared.ends.load(Ordering::Relaxed) {
            self.wait();
            self.apply_changes();
            let shared = self.shared.clone();
            let mut record = lock(&shared.record);
            self.read_all(&mut record)?;
            self.write_all(&mut record);
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn unix_us(&self, now: Duration) -> i64 {
        self.start_us + i64::try_from(now.as_micros()).unwrap_or(0)
    }

    /// Until a machine sends, a packet is due, or it is time to look for changes.
    fn wait(&self) {
        let due = self.links.iter().filter_map(Link::next).min();
        let sleep = due.map_or(LOOK_EVERY, |due| due.saturating_sub(self.now()).min(LOOK_EVERY));
        let interest = |end: &Tun| libc::pollfd { fd: end.descriptor(), events: libc::POLLIN, revents: 0 };
        let mut ends = self.ends.each_ref().map(interest);
        let timeout = libc::timespec {
            tv_sec: 0,
            tv_nsec: libc::c_long::try_from(sleep.as_nanos()).expect("LOOK_EVERY is below a second"),
        };
        // SAFETY: the descriptors are open, the array and the time-out live for the call, and no signal mask is given.
        unsafe {
            libc::ppoll(ends.as_mut_ptr(), 2, &raw const timeout, std::ptr::null());
        }
    }

    fn apply_changes(&mut self) {
        let now = self.now();
        let unix_us = self.unix_us(now);
        let mut changes = lock(&self.shared.changes);
        while changes.first().is_some_and(|change| change.0 <= unix_us) {
            let (_, config) = changes.remove(0);
            for link in &mut self.links {
                link.reconfigure(now, config);
            }
        }
    }

    fn read_all(&mut self, record: &mut LinkRecord) -> io::Result<()> {
        let mut buffer = [0; PACKET_MAX];
        for direction in 0..2 {
            while let Some(length) = self.ends[direction].read(&mut buffer)? {
                let (now, packet) = (self.now(), &buffer[..length]);
                let waits = self.links[direction].queueing_delay(now);
                let passes = self.links[direction].enqueue(now, length, packet.into());
                let unix_us = self.unix_us(now);
                record.directions[direction].offered(unix_us, packet, passes, waits);
            }
        }
        Ok(())
    }

    fn write_all(&mut self, record: &mut LinkRecord) {
        for direction in 0..2 {
            let mut due = self.links[direction].next();
            let now = self.now();
            while let Some(packet) = self.links[direction].poll(now) {
                self.ends[1 - direction].write(&packet);
                let late = now.saturating_sub(due.unwrap_or(now));
                due = self.links[direction].next();
                let unix_us = self.unix_us(now);
                record.directions[direction].delivered(unix_us, packet.len(), late);
            }
            record.directions[direction].counts = counts_of(self.links[direction].counts());
        }
    }
}

fn counts_of(counts: Counts) -> [u64; 6] {
    [counts.offered, counts.overflowed, counts.policed, counts.lost, counts.down, counts.delivered]
}

/// The emulator must not be late because the programs that it serves keep the processors busy: real-time priority where the
/// system gives it, and sleeps that end on time.
fn take_precedence() {
    let parameters = libc::sched_param { sched_priority: 10 };
    // SAFETY: these calls set properties of the calling thread; the parameters live for the call.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1);
        if libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, -20);
        }
    }
}

impl Direction {
    /// The bucket of a moment.
    pub(crate) fn bucket_of(unix_us: i64) -> i64 {
        unix_us / BUCKET_US
    }
}
