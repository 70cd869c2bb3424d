//! The calling thread, and those that a library starts on it.

/// macOS and Windows keep such a wish for the whole process, which is not ours.
pub(crate) fn stand_back() {}

/// The same.
#[cfg_attr(windows, allow(dead_code, reason = "this libusb has no hotplug there"))]
pub(crate) fn stand_aside() {}

/// Libraries name their threads themselves, or do not.
pub(crate) struct Offspring;

impl Offspring {
    /// Nothing is done about them.
    pub(crate) fn expect() -> Self {
        Self
    }

    /// Nothing is done about them.
    #[allow(clippy::unused_self, reason = "Linux's has a name to go by")]
    pub(crate) fn settle(self, _name: &str, _own_name: &str, _aside: bool) {}
}
