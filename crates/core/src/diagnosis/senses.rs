//! Which sources hear here, and why not.

use std::path::Path;
use std::sync::Arc;

use super::{Finding, Tell};
use crate::config::Config;
use crate::kernel_log::{KernelLog, LOG};
use crate::source::devnodes::{DEVICE_NODES, NodeWatch};
use crate::source::libusb::LibusbSource;
use crate::source::netlink::UeventSocket;
use crate::sysfs::Sysfs;

const BUS: &str = "/sys/bus/usb";
const OFF: &str = "switched off by configuration";

pub(super) fn bus(_: &Config, tell: Tell<'_>) {
    let subject = "usb bus";
    if !Path::new("/sys/kernel").exists() {
        let found = "sysfs is not mounted at /sys";
        return tell(Finding::fail(subject, found, "mount it: mount -t sysfs sysfs /sys"));
    }
    if !Path::new(BUS).exists() {
        let advice =
            "load the driver of the host controller (modprobe xhci_pci); the daemon waits for it meanwhile";
        return tell(Finding::warn(
            subject,
            format!("there is no {BUS}: this kernel has no USB bus"),
            advice,
        ));
    }
    match Sysfs::new("/sys").scan(|_, _| true) {
        Ok(entries) => {
            let buses = entries.iter().filter(|entry| entry.name.starts_with("usb")).count();
            let devices = entries.len() - buses;
            tell(Finding::ok(subject, format!("{buses} buses with {devices} devices on them")));
        }
        Err(error) => tell(Finding::fail(
            subject,
            format!("{BUS}/devices cannot be listed: {error}"),
            "let this user read /sys (a sandbox or a security module hides it)",
        )),
    }
}

pub(super) fn uevents(config: &Config, tell: Tell<'_>) {
    let subject = "uevents";
    if !config.hears_uevents() {
        return tell(Finding::ok(subject, OFF));
    }
    let socket = match UeventSocket::open(config.sources.receive_buffer) {
        Ok(socket) => socket,
        Err(error) => {
            let found = format!("the socket cannot be opened: {error}; snapshots decide");
            let advice =
                "allow AF_NETLINK (systemd: RestrictAddressFamilies=, containers: the seccomp profile)";
            return tell(Finding::fail(subject, found, advice));
        }
    };
    tell(Finding::ok(subject, "the socket opens and joins the kernel's group"));
    let wanted = config.sources.receive_buffer.unwrap_or(UeventSocket::WANTED_BUFFER);
    let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").ok();
    let most = most.and_then(|text| text.trim().parse().ok());
    tell(receive_buffer(wanted, socket.receive_buffer(), most));
}

pub(super) fn kernel_log(config: &Config, tell: Tell<'_>) {
    let subject = "kernel log";
    if !(config.hears_uevents() && config.sources.kernel_log) {
        return tell(Finding::ok(subject, OFF));
    }
    tell(Finding::ok(
        subject,
        match KernelLog::open() {
            Ok(_) => {
                format!("{LOG} can be read: it tells a device's strings before any driver has been asked")
            }
            // Nothing is less than it should be: this is a right that a daemon need not have.
            Err(error) => format!(
                "{LOG} cannot be read here ({error}): a device is told once its drivers have been asked, or after 500 ms"
            ),
        },
    ));
}

fn receive_buffer(wanted: usize, obtained: usize, most: Option<usize>) -> Finding {
    let subject = "receive buffer";
    // The kernel doubles what it grants, for its own bookkeeping.
    let granted = obtained / 2;
    if granted >= wanted {
        return Finding::ok(subject, format!("{} as asked for", size(granted)));
    }
    let most = most.map(|most| format!(": net.core.rmem_max is {most}")).unwrap_or_default();
    Finding::warn(
        subject,
        format!(
            "{} instead of {}{most}; a longer flood than fits is found by a snapshot",
            size(granted),
            size(wanted)
        ),
        format!("run with CAP_NET_ADMIN, or sysctl -w net.core.rmem_max={wanted}"),
    )
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

pub(super) fn libusb(config: &Config, tell: Tell<'_>) {
    let subject = "libusb";
    if !config.sources.libusb {
        return tell(Finding::ok(subject, OFF));
    }
    match LibusbSource::start(&(Arc::new(|_, _| {}) as _)) {
        Ok(source) => {
            tell(Finding::ok(subject, "it starts, and takes hotplug callbacks"));
            drop(source);
        }
        Err(reason) => tell(Finding::warn(
            subject,
            format!("{reason}; it only confirms what the kernel says, so nothing is missed"),
            format!(
                "give a container {DEVICE_NODES} (a volume: --device copies only the nodes of the moment), or switch sources.libusb off"
            ),
        )),
    }
}

pub(super) fn nodes(_: &Config, tell: Tell<'_>) {
    let subject = "device nodes";
    match NodeWatch::open(Path::new(DEVICE_NODES)) {
        Ok(_) => tell(Finding::ok(
            subject,
            format!("{DEVICE_NODES} can be watched; no node is opened, so no right to any is needed"),
        )),
        Err(error) => tell(Finding::warn(
            subject,
            format!("{DEVICE_NODES} cannot be watched: {error}; only needed where uevents are not heard"),
            "none where uevents are heard; else mount the host's /dev/bus/usb (read-only does)",
        )),
    }
}

pub(super) fn sysfs(config: &Config, tell: Tell<'_>) {
    let subject = "sysfs";
    let sysfs = Sysfs::new("/sys");
    // What is wrong with the bus itself is said there.
    let Ok(entries) = sysfs.scan(|_, _| false) else { return };
    if !config.sources.snapshot {
        let advice = "leave sources.snapshot on: without it, what is present at start is not announced";
        tell(Finding::warn(subject, "snapshots are switched off by configuration", advice));
    }
    let described = entries
        .iter()
        .filter(|entry| entry.address.is_some_and(|at| sysfs.describe_name(&entry.name, at).is_some()));
    let (all, readable) = (entries.len(), described.count());
    if all == 0 {
        return;
    }
    let found = format!("{readable} of {all} devices can be read");
    if readable == all {
        tell(Finding::ok(subject, found));
    } else {
        tell(Finding::fail(subject, found, "let this user read /sys/bus/usb/devices/*/descriptors"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Grade;

    #[test]
    fn uevents_that_two_keys_may_switch_off_are_asked_for_where_neither_does() {
        for (json, off) in [
            (r#"{ "sources": ["netlink"] }"#, false),
            (r#"{ "sources": [] }"#, true),
            (r#"{ "fallback": { "enable_udev": false } }"#, true),
        ] {
            let config = Config::from_json(json).expect("valid");
            let told = std::cell::RefCell::new(Vec::new());
            uevents(&config, &|finding| told.borrow_mut().push(finding.found));
            assert_eq!(told.borrow()[0] == OFF, off, "{json}");
            told.borrow_mut().clear();
            crate::diagnosis::namespace::reach(&config, &|finding| told.borrow_mut().push(finding.found));
            assert_eq!(told.borrow().is_empty(), off, "{json}");
        }
    }

    #[test]
    fn a_receive_buffer_that_is_smaller_than_asked_says_what_to_set() {
        let whole = receive_buffer(8192, 16384, Some(212_992));
        assert_eq!((whole.grade, whole.found.as_str()), (Grade::Ok, "8 KiB as asked for"));
        let cut = receive_buffer(128 << 20, 425_984, Some(212_992));
        assert_eq!(cut.grade, Grade::Warn);
        assert!(
            cut.found.starts_with("208 KiB instead of 128 MiB: net.core.rmem_max is 212992"),
            "{}",
            cut.found
        );
        assert!(cut.advice.is_some_and(|advice| advice.ends_with("net.core.rmem_max=134217728")));
    }
}
