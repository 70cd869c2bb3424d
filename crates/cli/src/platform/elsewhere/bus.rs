//! Whether there is USB at all.

/// Whether this machine has USB: nothing says that it has not.
pub(crate) fn has_usb_bus() -> bool {
    true
}
