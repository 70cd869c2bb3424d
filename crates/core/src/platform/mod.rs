//! What differs between operating systems: a folder for each, and for what two of them share, with the same file names in all.
//!
//! | File | What it is about |
//! |---|---|
//! | `alarm` | wakes a thread unless it is stilled |
//! | `bus` | which devices are connected, and what each one is |
//! | `doorbell` | ends the engine's wait |
//! | `machine` | name, boot and clock of the machine |
//! | `private_file` | files that are not everybody's, and a lock that one process has |
//! | `process` | what our process uses |
//! | `process_limits` | and what it may use |
//! | `rights` | what this user may do with files |
//! | `socket` | what is asked of a connection |
//! | `thread` | what is asked of the calling thread |
//!
//! Linux has sysfs, and lists in no time. macOS and Windows have what nusb makes of `IOKit` and of the configuration manager:
//! `elsewhere`, which unit tests run on Linux as well.

#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "there only for its tests"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
mod listed;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(unix)]
mod unix;
mod usage;
#[cfg(windows)]
mod windows;

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{alarm, bus, doorbell, socket, thread};
#[cfg(target_os = "linux")]
pub(crate) use linux::{alarm, bus, doorbell, machine, socket, thread};
pub(crate) use listed::{Description, Entry, Hardware, Taken};
#[cfg(target_os = "macos")]
pub(crate) use macos::machine;
#[cfg(unix)]
pub(crate) use unix::{private_file, process_limits, rights};
pub(crate) use usage::ProcessUse;
#[cfg(windows)]
pub(crate) use windows::{machine, private_file, process_limits, rights};
