//! What readiness hears and reads: messages of the kernel's and of udev's, and udev's database.

use crate::ready::{Heard, MOST_LINKS, Stored};

/// A message on the socket, from either of the two.
///
/// # Panics
/// Where the reader breaks a law.
pub fn ready_message(message: &[u8]) {
    for heard in [Heard::of_kernel(message), Heard::of_udev(message)].into_iter().flatten() {
        let path = &heard.devpath;
        assert!(path.starts_with("/devices/") && path.len() < message.len(), "{path}");
        assert!(heard.is_within(path), "{path} is itself");
    }
}

/// A record of udev's database.
///
/// # Panics
/// Where the reader breaks a law.
pub fn udev_record(bytes: &[u8]) {
    let Stored { links, label, uuid, file_system } = Stored::read(&String::from_utf8_lossy(bytes));
    assert!(links.len() <= MOST_LINKS && links.is_sorted(), "{links:?}");
    for text in [label, uuid, file_system].into_iter().flatten().chain(links) {
        assert!(!text.contains('\n'), "{text:?}");
    }
}
