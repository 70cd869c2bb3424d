//! One pass over /sys/bus/usb/devices.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

use super::Sysfs;
use super::attribute::read_address;
use crate::device::PortPath;
use crate::platform::Entry;

impl Sysfs {
    /// Lists the devices on the bus. `known` tells which names and marks need no second look, so that a scan that
    /// finds nothing new costs one listing; it is also called between entries, so that the caller can see to its
    /// socket.
    ///
    /// # Errors
    /// Where the listing cannot be read, other than for want of a USB bus, which is an empty list.
    pub fn scan(&self, mut known: impl FnMut(&str, u64) -> bool) -> io::Result<Vec<Entry>> {
        let links = match openat(
            CWD,
            self.bus_links(),
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(links) => links,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut found = Vec::new();
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 << 10];
        let mut entries = RawDir::new(&links, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().ok().filter(|name| PortPath::parse(name).is_some())
            else {
                continue;
            };
            let mark = entry.ino();
            let address = if known(name, mark) {
                None
            } else {
                match read_address(&links, OsStr::from_bytes(name.as_bytes())) {
                    // Gone between the listing and this look: as if it had not been listed.
                    Err(Errno::NOENT | Errno::NODEV) => continue,
                    // Not to be looked at now, for want of a descriptor perhaps: it is there, and that is all.
                    Err(_) => None,
                    Ok(address) => Some(address),
                }
            };
            found.push(Entry { name: name.to_owned(), mark, address });
        }
        Ok(found)
    }
}
