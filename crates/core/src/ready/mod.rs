//! Readiness: a device that has come may be used once its interfaces have their drivers and udev has applied its rules. Until then
//! its nodes are not there, or not yet whose they will be.
//!
//! Nothing is opened, and no time is guessed where somebody tells: the kernel says when it has offered the interfaces to drivers (the device's own
//! `bind`), and udev repeats the number of each uevent once it has finished with it. sysfs and udev's database say what there is then. Where neither
//! can be heard, nothing new for 100 ms, or for a second, has to do instead. What the engine says, and what is heard, lies for 2 ms first,
//! while the event is told and published.

#[cfg(target_os = "linux")]
mod awaited;
#[cfg(target_os = "linux")]
mod desk;
#[cfg(target_os = "linux")]
mod found;
#[cfg(target_os = "linux")]
mod judgement;
#[cfg(target_os = "linux")]
mod kept;
#[cfg(target_os = "linux")]
mod message;
mod readiness;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod survey;
#[cfg(all(test, target_os = "linux"))]
mod test_folder;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod udev;
#[cfg_attr(not(target_os = "linux"), path = "watch_elsewhere.rs")]
mod watch;
#[cfg(target_os = "linux")]
mod watched;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::DriversConfig;
use crate::event::Attachment;

#[cfg(target_os = "linux")]
pub(crate) use message::{Action, Heard};
#[cfg(test)]
pub(crate) use readiness::Obstacle;
pub use readiness::{Node, Readiness, Reason};
#[cfg(target_os = "linux")]
pub(crate) use survey::{ShutOut, Survey, shut_out};
#[cfg(all(target_os = "linux", any(test, feature = "fuzzing")))]
pub(crate) use udev::{MOST_LINKS, Stored};
pub use watch::ReadyWatch;

/// How readiness is looked for.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nobody looks there"))]
pub struct ReadyConfig {
    /// When it is told what stands in the way.
    pub timeout: Duration,
    /// Which devices get a driver by a rule: they are not ready before.
    pub drivers: DriversConfig,
}

/// Says how far the device of this attachment is.
pub type Tell = Box<dyn Fn(u64, Readiness) + Send>;

/// What the engine says.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody takes it there"))]
pub enum News {
    /// A device has come.
    Came(Awaited),
    /// It has left.
    Left {
        /// Which attachment.
        instance: u64,
    },
}

/// A device that is awaited.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody takes it there"))]
pub struct Awaited {
    /// Its name in sysfs.
    pub name: String,
    /// Which attachment.
    pub attachment: Arc<Attachment>,
    /// When it was observed.
    pub since: Instant,
    /// It came while somebody listened, and was not only found.
    pub is_live: bool,
}
