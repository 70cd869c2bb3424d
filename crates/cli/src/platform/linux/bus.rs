//! Whether there is USB at all.

use std::path::Path;

/// Whether this machine has USB, so far.
pub(crate) fn has_usb_bus() -> bool {
    Path::new("/sys/bus/usb").exists()
}
