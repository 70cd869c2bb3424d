//! What the rules need around them: a group, and udev.

use std::path::Path;
use std::process::{Command, Stdio};

pub(super) const GROUP: &str = "autoweave";
const CONTROL: &str = "/run/udev/control";

/// Whether there is the group to which the rules give devices.
pub(super) fn has_group() -> bool {
    let line = |text: String| text.lines().any(|line| line.split(':').next() == Some(GROUP));
    // A group may also come from a directory service, which only the C library knows.
    std::fs::read_to_string("/etc/group").is_ok_and(line) || succeeds("getent", &["group", GROUP])
}

/// Whether udev runs.
pub(super) fn udev_runs() -> bool {
    Path::new(CONTROL).exists()
}

/// Has udev read its rules again.
pub(super) fn reload() -> bool {
    succeeds("udevadm", &["control", "--reload"])
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
