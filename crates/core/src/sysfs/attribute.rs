//! The files of one device's directory, each read through the directory that is open.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, read};

use crate::device::Address;

/// sysfs gives at most a page at a time. A text attribute has no more than that; raw descriptors may be up to 64 KiB a configuration.
const AT_A_TIME: usize = 4 << 10;
const LARGEST_FILE: usize = 1 << 20;
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Bus and address of the device at `path` below `at`.
///
/// # Errors
/// What the kernel answers; NODEV where the device goes while it is read.
pub(super) fn read_address(at: impl AsFd, path: &OsStr) -> Result<Address, Errno> {
    let directory = openat(at, Path::new(path), DIRECTORY, Mode::empty())?;
    address(&directory).ok_or(Errno::NODEV)
}

pub(super) fn open_directory(at: impl AsFd, path: &Path) -> Option<OwnedFd> {
    openat(at, path, DIRECTORY, Mode::empty()).ok()
}

pub(super) fn address(directory: &OwnedFd) -> Option<Address> {
    Some(Address { bus: number(directory, "busnum")?, device: number(directory, "devnum")? })
}

pub(super) fn number<T: std::str::FromStr>(directory: &OwnedFd, file: &str) -> Option<T> {
    std::str::from_utf8(&read_file(directory, file)?).ok()?.trim_ascii().parse().ok()
}

/// A text attribute without the newline that sysfs puts behind it; newlines of the device's own stay.
pub(super) fn text(directory: &OwnedFd, file: &str) -> Option<String> {
    let mut bytes = read_file(directory, file)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Some(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

pub(super) fn read_file(directory: &OwnedFd, file: &str) -> Option<Vec<u8>> {
    let fd = openat(directory, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    // Not on the heap: what is kept of an attribute would keep all that there was room for.
    let mut room = [MaybeUninit::uninit(); AT_A_TIME];
    let mut bytes = Vec::new();
    loop {
        match read(&fd, &mut room) {
            Ok(([], _)) => return Some(bytes),
            Ok((read, _)) => bytes.extend_from_slice(read),
            Err(Errno::INTR) => continue,
            Err(_) => return None,
        }
        // A short read of an attribute is its end; asking again costs a system call an attribute.
        if bytes.len() < AT_A_TIME / 2 {
            return Some(bytes);
        }
        if bytes.len() >= LARGEST_FILE {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::CWD;

    use super::*;
    use crate::sysfs::test_tree::Tree;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let (tree, _) = Tree::with("sizes", b"x\n");
        let directory = open_directory(CWD, &tree.directory()).expect("a directory");
        for length in [0, 1, AT_A_TIME / 2, AT_A_TIME - 1, AT_A_TIME, AT_A_TIME + 1, LARGEST_FILE - 1] {
            fs::write(tree.directory().join("raw"), vec![7; length]).expect("written");
            assert_eq!(read_file(&directory, "raw").map(|bytes| bytes.len()), Some(length));
        }
        for length in [LARGEST_FILE, LARGEST_FILE + 1] {
            fs::write(tree.directory().join("raw"), vec![7; length]).expect("written");
            assert_eq!(read_file(&directory, "raw"), None, "{length} bytes");
        }
    }
}
