//! The end of a link on a machine: a TUN device (Linux, Documentation/networking/tuntap.rst), whole IP packets in and out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use eyeline_tests::Outcome;
use eyeline_tests::lan::Host;

use super::{DEVICE, DEVICE_QUEUE};

/// An open TUN device.
pub(super) struct Tun(File);

impl Tun {
    /// Makes the device on `host` and gives it an address.
    pub(super) fn open(host: &Host, address: &str) -> Outcome<Self> {
        let file = host.within(open)??;
        host.run("ip", &["link", "set", DEVICE, "mtu", "1500", "txqueuelen", DEVICE_QUEUE])?;
        host.run("ip", &["address", "add", &format!("{address}/24"), "dev", DEVICE])?;
        host.run("ip", &["link", "set", DEVICE, "up"])?;
        Ok(Self(file))
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// The next packet that the machine sends; `None` when there is none now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.0.read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands a packet to the machine. One that it will not have is lost, as on any network.
    pub(super) fn write(&mut self, packet: &[u8]) {
        self.0.write_all(packet).ok();
    }
}

/// In the calling thread's namespace.
fn open() -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(DEVICE.bytes()) {
        *to = libc::c_char::try_from(from).expect("the name is ASCII");
    }
    let flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI).expect("two flags of 16 bits");
    let request = libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags } };
    // SAFETY: the descriptor is open, and `TUNSETIFF` reads and writes an `ifreq`, which lives for the call.
    if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}
