//! Sources: what can hear devices come and go. Each one only observes; the registry decides.
//!
//! A source lives in a module of its own, never panics into foreign code, and can neither block nor silence
//! another. `netlink` and `devnodes` are file descriptors that the engine polls; `libusb` has its own thread.

pub mod devnodes;
pub mod injected;
pub mod libusb;
pub mod netlink;
pub mod simulated;

/// Names of the sources, as configuration and status use them.
pub mod name {
    /// The kernel's uevents.
    pub const NETLINK: &str = "netlink";
    /// libusb's hotplug callbacks.
    pub const LIBUSB: &str = "libusb";
    /// Comparison with sysfs.
    pub const SNAPSHOT: &str = "snapshot";
    /// inotify on /dev/bus/usb, which wakes the snapshot.
    pub const INOTIFY: &str = "inotify";
    /// Scripted devices.
    pub const SIMULATED: &str = "simulated";
    /// What a program reports.
    pub const INJECTED: &str = "injected";
    /// The helper that udev calls, which writes down what comes and goes.
    pub const UDEV_HELPER: &str = "udev-helper";
}
