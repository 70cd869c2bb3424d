//! A device's strings from the kernel's log, for whoever may read it.
//!
//! The kernel writes them there before it tells programs of the device, and no lock is needed to read them; sysfs gives them only once it
//! has the device's lock, and that is held while drivers probe. Nothing is read until a device has come: what is written about anything
//! else wakes nobody.

mod announced;
mod record;

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, SeekFrom, open, seek};
use rustix::io::{Errno, read};

use crate::device::{Address, DeviceDescriptor};
pub(crate) use announced::{Announcements, Strings};
pub(crate) use record::Record;

/// Where the kernel shows its log.
pub(crate) const LOG: &str = "/dev/kmsg";
/// No record is longer (`CONSOLE_EXT_LOG_MAX`; 2 KiB in newer kernels). One read gives one record.
const LARGEST_RECORD: usize = 8 << 10;
/// So many records are read at once; where more wait, nobody waits for that.
const MOST_AT_ONCE: usize = 1024;
/// A bus has so many minor numbers.
const NUMBERS_OF_A_BUS: u32 = 128;

/// The kernel's log, from where it was opened on.
#[derive(Debug)]
pub(crate) struct KernelLog {
    records: OwnedFd,
    announcements: Announcements,
}

impl KernelLog {
    /// # Errors
    /// PERM where the kernel shows its log only to `CAP_SYSLOG` (`kernel.dmesg_restrict`), NOENT in most containers.
    pub(crate) fn open() -> Result<Self, Errno> {
        let records = open(LOG, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        seek(&records, SeekFrom::End(0))?;
        Ok(Self::of(records))
    }

    fn of(records: OwnedFd) -> Self {
        Self { records, announcements: Announcements::default() }
    }

    /// The strings of a device that has just come. None where the log does not tell them: they are sysfs's to tell then.
    pub(crate) fn strings(&mut self, address: Address, descriptor: &DeviceDescriptor) -> Option<Strings> {
        self.catch_up();
        self.announcements.strings(minor(address)?, descriptor)
    }

    /// Reads what has been written since.
    pub(crate) fn catch_up(&mut self) {
        if self.read(MOST_AT_ONCE) {
            return;
        }
        self.announcements.forget();
        if let Err(error) = seek(&self.records, SeekFrom::End(0)) {
            tracing::debug!(%error, path = LOG, "the kernel's log cannot be skipped");
        }
    }

    /// Reads so many records at the most. True where no more wait.
    fn read(&mut self, most: usize) -> bool {
        let mut room = [MaybeUninit::uninit(); LARGEST_RECORD];
        for _ in 0..most {
            match read(&self.records, &mut room) {
                // The end is nothing that the log itself has.
                Ok(([], _)) | Err(Errno::AGAIN) => return true,
                Ok((bytes, _)) => {
                    if let Some(record) = Record::parse(bytes) {
                        self.announcements.take_in(&record);
                    }
                }
                Err(Errno::INTR) => {}
                // What was next has been written over. The kernel goes on with the oldest that is left.
                Err(Errno::PIPE) => self.announcements.forget(),
                Err(error) => {
                    tracing::debug!(%error, path = LOG, "the kernel's log cannot be read");
                    return true;
                }
            }
        }
        false
    }
}

/// The minor number of a device's node.
fn minor(address: Address) -> Option<u32> {
    let bus = u32::from(address.bus).checked_sub(1)?;
    let device = u32::from(address.device).checked_sub(1)?;
    (device < NUMBERS_OF_A_BUS).then_some(bus * NUMBERS_OF_A_BUS + device)
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    use super::*;

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

    fn mouse() -> DeviceDescriptor {
        let bytes = [18, 1, 0, 2, 0, 0, 0, 64, 0x6d, 0x04, 0x77, 0xc0, 0, 0x72, 1, 2, 0, 1];
        DeviceDescriptor::parse(&bytes).expect("a descriptor")
    }

    #[test]
    fn a_device_is_looked_up_by_the_number_of_its_node() {
        for (bus, device, number) in
            [(1, 1, Some(0)), (1, 5, Some(4)), (2, 1, Some(128)), (3, 128, Some(383))]
        {
            assert_eq!(minor(Address { bus, device }), number);
        }
        for (bus, device) in [(0, 5), (1, 0), (1, 129)] {
            assert_eq!(minor(Address { bus, device }), None);
        }
    }

    #[test]
    fn what_has_been_written_by_the_time_that_somebody_asks_is_known() {
        let (writer, mut log) = log();
        let address = Address { bus: 2, device: 3 };
        assert_eq!(log.strings(address, &mouse()), None, "nothing written yet");
        write(&writer, 130, "new high-speed USB device number 3 using xhci_hcd");
        write(&writer, 130, "New USB device found, idVendor=046d, idProduct=c077, bcdDevice=72.00");
        write(&writer, 130, "New USB device strings: Mfr=1, Product=2, SerialNumber=0");
        log.catch_up();
        write(&writer, 130, "Product: Mouse");
        let strings = log.strings(address, &mouse()).expect("written about");
        assert_eq!((strings.product.as_deref(), strings.manufacturer), (Some("Mouse"), None));
        drop(writer);
        assert_eq!(log.strings(address, &mouse()), None, "and a log that has ended is no endless one");
    }

    #[test]
    fn no_more_is_read_at_once_than_takes_a_moment() {
        let (writer, mut log) = log();
        for minor in 0..5 {
            write(&writer, minor, "New USB device found, idVendor=046d, idProduct=c077, bcdDevice=72.00");
        }
        assert!(!log.read(2));
        assert!(!log.read(3), "that was all, but nobody knows");
        assert!(log.read(1));
    }
}
