//! Ending every process in a mount namespace, however it came there.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};

const PATIENCE: Duration = Duration::from_secs(5);

/// Kills every process in `namespace` but this one, until none is left.
pub(crate) fn end_all_in(namespace: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while kill_once(namespace) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill_once(namespace: &Path) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&pid| pid != std::process::id())
        .filter(|&pid| lives_in(pid, namespace) && kill(pid, namespace).is_some())
        .count()
}

fn lives_in(pid: u32, namespace: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/ns/mnt")).is_ok_and(|link| link == namespace)
}

fn kill(pid: u32, namespace: &Path) -> Option<()> {
    let process = Pid::from_raw(pid.cast_signed())?;
    let handle = rustix::process::pidfd_open(process, PidfdFlags::empty()).ok()?;
    // Asked again with the process held, since the number may have passed to another one.
    if !lives_in(pid, namespace) {
        return None;
    }
    rustix::process::pidfd_send_signal(handle, Signal::KILL).ok()
}
