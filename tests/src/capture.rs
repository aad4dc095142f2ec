//! Everything that passes a machine of a test network, as a third party on the cable would see it. Needs root.

use std::io::{self, Error};
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::lan::Host;
use crate::{Failure, Outcome, ensure};

/// `ETH_P_ALL` in network order, as packet(7) wants it.
const ALL_PROTOCOLS: u16 = 0x0003_u16.to_be();
/// What the system keeps for us between two reads.
const SOCKET_BYTES: libc::c_int = 64 << 20;
/// Longest frame that is taken: segments can come put together.
const FRAME_BYTES_MAX: usize = 1 << 17;
/// A capture that grows beyond this fails: nothing may be left out.
const CAPTURE_BYTES_MAX: usize = 512 << 20;
/// Between two looks whether the capture is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running capture.
pub struct Capture {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Vec<Vec<u8>>>>,
    socket: Arc<OwnedFd>,
}

impl Capture {
    /// Starts to take all Ethernet frames on all interfaces of `host`; the same frame comes once for each interface it passes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(host: &Host) -> Outcome<Self> {
        let socket = Arc::new(host.within(open)??);
        let over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (over, socket) = (over.clone(), socket.clone());
            move || take(&socket, &over)
        });
        Ok(Self { over, thread, socket })
    }

    /// Ends the capture and returns all frames, oldest first.
    ///
    /// # Errors
    /// When frames were lost.
    pub fn end(self) -> Outcome<Vec<Vec<u8>>> {
        self.over.store(true, Ordering::Relaxed);
        let frames = self.thread.join().map_err(|_| Failure::new("the capture panicked"))??;
        let lost = lost(&self.socket)?;
        ensure!(lost == 0, "the system dropped {lost} frames of the capture");
        Ok(frames)
    }
}

fn open() -> io::Result<OwnedFd> {
    // SAFETY: `socket` takes no pointers.
    let socket =
        checked(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, ALL_PROTOCOLS.into()) })?;
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    set(&socket, libc::SO_RCVBUFFORCE, &SOCKET_BYTES)?;
    let wait = libc::timeval { tv_sec: 0, tv_usec: libc::suseconds_t::from(LOOK_EVERY.subsec_micros()) };
    set(&socket, libc::SO_RCVTIMEO, &wait)?;
    Ok(socket)
}

fn set<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<T>()).map_err(Error::other)?;
    // SAFETY: the pointer and the size are those of `value`, which outlives the call.
    checked(unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, std::ptr::from_ref(value).cast(), size)
    })?;
    Ok(())
}

fn take(socket: &OwnedFd, over: &AtomicBool) -> io::Result<Vec<Vec<u8>>> {
    let (mut frames, mut bytes, mut buffer) = (Vec::new(), 0, vec![0; FRAME_BYTES_MAX]);
    loop {
        // Looked at before the read: what is queued by then still counts.
        let last = over.load(Ordering::Relaxed);
        // SAFETY: the pointer and the size are those of `buffer`.
        let read = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_TRUNC) };
        let Ok(read) = usize::try_from(read) else {
            match Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock && last => return Ok(frames),
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => continue,
                error => return Err(error),
            }
        };
        bytes += read;
        if read > buffer.len() || bytes > CAPTURE_BYTES_MAX {
            return Err(Error::other("more passes than the capture has room for"));
        }
        frames.push(buffer[..read].to_vec());
    }
}

/// Frames that found no room since the capture began (packet(7), `PACKET_STATISTICS`).
fn lost(socket: &OwnedFd) -> Outcome<u32> {
    let mut figures = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut size = libc::socklen_t::try_from(size_of::<libc::tpacket_stats>())?;
    // SAFETY: the pointer and the size are those of `figures`.
    checked(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut figures).cast(),
            &raw mut size,
        )
    })?;
    Ok(figures.tp_drops)
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}
