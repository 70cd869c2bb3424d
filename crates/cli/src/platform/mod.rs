//! What differs between operating systems: a folder for each, with the same file names in all.
//!
//! | File | What it is about |
//! |---|---|
//! | `bus` | whether there is USB at all |
//! | `config_watch` | notices that the configuration file has changed |
//! | `outbox_path` | where the outbox lies when nobody says |
//! | `reader` | whether anybody reads stdout |
//! | `service` | what a service manager gives, and wants to hear |
//! | `udev` | the command `udev` |

#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "there only for its tests"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "macos", test))]
#[cfg_attr(not(target_os = "macos"), allow(dead_code, reason = "there only for its tests"))]
mod macos;
#[cfg(unix)]
mod unix;
#[cfg(any(windows, test))]
#[cfg_attr(not(windows), allow(dead_code, reason = "there only for its tests"))]
mod windows;

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{bus, config_watch, service, udev};
#[cfg(target_os = "linux")]
pub(crate) use linux::{bus, config_watch, outbox_path, service, udev};
#[cfg(target_os = "macos")]
pub(crate) use macos::outbox_path;
#[cfg(unix)]
pub(crate) use unix::reader;
#[cfg(windows)]
pub(crate) use windows::{outbox_path, reader};
