//! A device's strings from the kernel's log, for whoever may read it.
//!
//! The kernel writes them there before it tells programs of the device, and no lock is needed to read them; sysfs gives them only once it
//! has the device's lock, and that is held while drivers probe. It is read when a device has come and when a snapshot is taken: what is
//! written about anything else wakes nobody.

mod announced;
mod record;

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, SeekFrom, fstat, major, minor, open, seek};
use rustix::io::{Errno, read};

use crate::device::{Address, Device};
pub(crate) use announced::{Announcements, Strings};
pub(crate) use record::Record;

/// Where the kernel shows its log.
pub(crate) const LOG: &str = "/dev/kmsg";
/// The log's own device number: other things lie there in some containers.
const NUMBER: (u32, u32) = (1, 11);
/// No record is longer (`CONSOLE_EXT_LOG_MAX`; 2 KiB in newer kernels). One read gives one record.
const LARGEST_RECORD: usize = 8 << 10;
/// So many records are read at once, and more for as long as the engine may be held up.
const AT_ONCE: (usize, Duration) = (256, Duration::from_millis(1));
/// A bus has so many numbers for devices' nodes.
const NODES_OF_A_BUS: u32 = 128;

/// The kernel's log, from where it was opened on.
#[derive(Debug)]
pub(crate) struct KernelLog {
    records: OwnedFd,
    announcements: Announcements,
}

impl KernelLog {
    /// # Errors
    /// PERM where the kernel shows its log only to `CAP_SYSLOG` (`kernel.dmesg_restrict`) or a sandbox keeps it away, NOENT in most
    /// containers, NODEV where something else lies there.
    pub(crate) fn open() -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let records = open(LOG, flags, Mode::empty())?;
        let status = fstat(&records)?;
        let is_device = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice;
        if !is_device || (major(status.st_rdev), minor(status.st_rdev)) != NUMBER {
            return Err(Errno::NODEV);
        }
        seek(&records, SeekFrom::End(0))?;
        Ok(Self::of(records))
    }

    fn of(records: OwnedFd) -> Self {
        Self { records, announcements: Announcements::default() }
    }

    /// The strings of a device that has just come. None where the log does not tell all of them: they are sysfs's to tell then.
    pub(crate) fn strings(&mut self, device: &Device) -> Option<Strings> {
        self.catch_up();
        let node = node(device.address)?;
        self.announcements.strings(node, &device.port_path.name(), &device.descriptor)
    }

    /// Reads what has been written since. Where that takes longer than a moment, it is passed over.
    pub(crate) fn catch_up(&mut self) {
        self.catch_up_within(AT_ONCE);
    }

    fn catch_up_within(&mut self, (records, moment): (usize, Duration)) {
        if self.read(records, Instant::now() + moment) {
            return;
        }
        self.announcements.forget();
        tracing::debug!(path = LOG, "more has been written than can be read at once: passed over");
        if let Err(error) = seek(&self.records, SeekFrom::End(0)) {
            tracing::debug!(%error, path = LOG, "cannot be passed over");
        }
    }

    /// True where nothing more is to be had.
    fn read(&mut self, least: usize, until: Instant) -> bool {
        let mut room = [MaybeUninit::uninit(); LARGEST_RECORD];
        for count in 1.. {
            match read(&self.records, &mut room) {
                // The end is nothing that the log itself has.
                Ok(([], _)) | Err(Errno::AGAIN) => return true,
                Ok((bytes, _)) => {
                    if let Some(record) = Record::parse(bytes) {
                        self.announcements.take_in(record);
                    }
                }
                Err(Errno::INTR) => {}
                // What was next has been written over: the kernel goes on with the oldest that is left.
                Err(Errno::PIPE) => self.announcements.forget(),
                // It may have gone on nevertheless.
                Err(error) => {
                    tracing::debug!(%error, path = LOG, "the kernel's log cannot be read");
                    self.announcements.forget();
                    return true;
                }
            }
            if count >= least && Instant::now() >= until {
                return false;
            }
        }
        false
    }
}

/// The minor number of a device's node.
fn node(address: Address) -> Option<u32> {
    let bus = u32::from(address.bus).checked_sub(1)?;
    let device = u32::from(address.device).checked_sub(1)?;
    (device < NODES_OF_A_BUS).then_some(bus * NODES_OF_A_BUS + device)
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    use super::*;
    use crate::device::DeviceDescriptor;

    /// A log that gives a record for each read, as the kernel's does.
    fn log() -> (OwnedFd, KernelLog) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (writer, records) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a pair");
        (writer, KernelLog::of(records))
    }

    fn write(writer: &OwnedFd, minor: u32, text: &str) {
        let record = format!("6,1,1,-;usb 1-1: {text}\n SUBSYSTEM=usb\n DEVICE=c189:{minor}\n");
        send(writer, record.as_bytes(), SendFlags::empty()).expect("room");
    }

    /// A device on bus 2 whose node has the number 130.
    fn mouse() -> Device {
        let bytes = [18, 1, 0, 2, 0, 0, 0, 64, 0x6d, 0x04, 0x77, 0xc0, 0, 0x72, 0, 2, 0, 1];
        let descriptor = DeviceDescriptor::parse(&bytes).expect("a descriptor");
        let ids = (0x046d, 0xc077, 0x7200);
        let device = Device::of_uevent(Address { bus: 2, device: 3 }, "1-1", ids, (0, 0, 0), None);
        Device { descriptor, ..device }
    }

    const FOUND: &str = "New USB device found, idVendor=046d, idProduct=c077, bcdDevice=72.00";
    const INDICES: &str = "New USB device strings: Mfr=0, Product=2, SerialNumber=0";

    #[test]
    fn a_device_is_looked_up_by_the_number_of_its_node() {
        for (bus, device, number) in
            [(1, 1, Some(0)), (1, 5, Some(4)), (2, 1, Some(128)), (3, 128, Some(383))]
        {
            assert_eq!(node(Address { bus, device }), number);
        }
        for (bus, device) in [(0, 5), (1, 0), (1, 129)] {
            assert_eq!(node(Address { bus, device }), None);
        }
    }

    #[test]
    fn what_has_been_written_by_the_time_that_somebody_asks_is_known() {
        let (writer, mut log) = log();
        assert_eq!(log.strings(&mouse()), None, "nothing written yet");
        write(&writer, 130, "new high-speed USB device number 3 using xhci_hcd");
        write(&writer, 130, FOUND);
        write(&writer, 130, INDICES);
        log.catch_up();
        write(&writer, 130, "Product: Mouse");
        let strings = log.strings(&mouse()).expect("written about");
        assert_eq!((strings.product.as_deref(), strings.manufacturer), (Some("Mouse"), None));
        for text in [FOUND, INDICES] {
            write(&writer, 130, text);
        }
        assert_eq!(log.strings(&mouse()), None, "the last line is still to come");
        drop(writer);
        assert_eq!(log.strings(&mouse()), None, "and a log that has ended is no endless one");
    }

    #[test]
    fn where_more_is_written_than_can_be_read_in_a_moment_nothing_is_taken_for_certain() {
        let (writer, mut log) = log();
        for text in [FOUND, INDICES, "Product: Mouse"] {
            write(&writer, 130, text);
            log.catch_up_within((1, Duration::ZERO));
        }
        assert_eq!(log.strings(&mouse()), None);
    }
}
