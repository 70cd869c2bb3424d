//! Sources: what can hear devices come and go. Each one only observes; the registry decides.
//!
//! A source lives in a module of its own, never panics into foreign code, and can neither block nor silence
//! another. `netlink` and `devnodes` are file descriptors that the engine polls, on Linux; `libusb` has its own thread.

#[cfg(target_os = "linux")]
pub mod devnodes;
pub mod injected;
#[cfg_attr(windows, path = "no_libusb.rs")]
pub mod libusb;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux has uevents"))]
pub mod netlink;
pub mod simulated;

/// Names of the sources, as configuration and status use them.
pub mod name {
    /// The kernel's uevents.
    pub const NETLINK: &str = "netlink";
    /// libusb's hotplug callbacks.
    pub const LIBUSB: &str = "libusb";
    /// Comparison with what the operating system lists: sysfs, on Linux.
    pub const SNAPSHOT: &str = "snapshot";
    /// inotify on /dev/bus/usb, which wakes the snapshot on Linux.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "the watcher does that"))]
    pub const INOTIFY: &str = "inotify";
    /// What macOS and Windows tell of devices that come and go, which wakes the snapshot.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "inotify does that"))]
    pub const WATCHER: &str = "watcher";
    /// Scripted devices.
    pub const SIMULATED: &str = "simulated";
    /// What a program reports.
    pub const INJECTED: &str = "injected";
    /// The helper that udev calls, which writes down what comes and goes.
    pub const UDEV_HELPER: &str = "udev-helper";
}
