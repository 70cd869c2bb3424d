//! Names and clock of the machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sysctl::{Ctl, Sysctl as _};

/// Names the kernel's run; empty where the kernel does not tell.
pub(crate) fn boot_id() -> String {
    Ctl::new("kern.bootsessionuuid").and_then(|control| control.value_string()).unwrap_or_default()
}

/// What this machine calls itself.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Time since the start of the machine. Goes on while it sleeps, as a server's clock does: this clock of macOS's does.
pub(crate) fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}
