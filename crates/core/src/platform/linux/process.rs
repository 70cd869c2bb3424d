//! What the process uses, from procfs. What cannot be read is 0: a figure that is missing stops no scrape.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::platform::ProcessUse;

impl ProcessUse {
    /// Looks now.
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "a process that has run for 200 million years")]
        let cpu_seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        Self {
            cpu_seconds,
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            ..parse(&stat, boot_time())
        }
    }
}

/// Field 22 of `stat` is the start in ticks after boot.
#[expect(clippy::cast_precision_loss, reason = "seconds of an uptime")]
fn parse(stat: &str, boot_time: u64) -> ProcessUse {
    // The second field is the program's name, and may hold spaces and parentheses of its own.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |number: usize| rest.split(' ').nth(number - 3).and_then(|field| field.trim().parse().ok());
    let number = |at| field(at).unwrap_or(0_u64);
    let ticks = clock_ticks_per_second().max(1);
    ProcessUse {
        threads: number(20),
        started: boot_time as f64 + number(22) as f64 / ticks as f64,
        virtual_bytes: number(23),
        resident_bytes: number(24) * page_size() as u64,
        ..ProcessUse::default()
    }
}

/// When the kernel started, in seconds since 1970.
fn boot_time() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0)
}

/// The one that reads them is not counted.
fn open_fds() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| (entries.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_programs_name_may_hold_anything() {
        let stat =
            "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 9 0 1200 4096000 25 18446744073709551615";
        let found = parse(stat, 1_000);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let started = 1_000.0 + 1200.0 / clock_ticks_per_second() as f64;
        assert!((found.started - started).abs() < 1e-6, "{found:?}");
        assert_eq!((found.threads, found.virtual_bytes), (9, 4_096_000));
        assert_eq!(found.resident_bytes, 25 * page_size() as u64);
    }

    #[test]
    fn this_process_uses_something_and_started_before_now() {
        let found = ProcessUse::now();
        assert!(found.cpu_seconds > 0.0 && found.threads > 0 && found.resident_bytes > 0, "{found:?}");
        assert!(found.open_fds > 0 && found.open_fds <= found.max_fds, "{found:?}");
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
        let now = clock::now_ms() as f64 / 1000.0;
        assert!(found.started > now - 86_400.0 && found.started <= now + 1.0, "{found:?}");
    }
}
