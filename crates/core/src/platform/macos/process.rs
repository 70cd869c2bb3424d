//! What the process uses, from libproc. What cannot be read is 0: a figure that is missing stops no scrape.

use std::fs;
use std::mem::{MaybeUninit, size_of};

use libc::{PROC_PIDTASKALLINFO, proc_pidinfo, proc_taskallinfo};
use rustix::time::{ClockId, clock_gettime};

use crate::platform::{ProcessUse, process_limits};

impl ProcessUse {
    /// Looks now.
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "a process that has run for 200 million years")]
        let cpu_seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        let known = task();
        #[expect(clippy::cast_precision_loss, reason = "seconds and microseconds since 1970")]
        let started = known
            .map_or(0.0, |task| task.pbsd.pbi_start_tvsec as f64 + task.pbsd.pbi_start_tvusec as f64 / 1e6);
        Self {
            cpu_seconds,
            started,
            resident_bytes: known.map_or(0, |task| task.ptinfo.pti_resident_size),
            virtual_bytes: known.map_or(0, |task| task.ptinfo.pti_virtual_size),
            threads: known.map_or(0, |task| task.ptinfo.pti_threadnum.unsigned_abs().into()),
            // The one that reads them is not counted.
            open_fds: fs::read_dir("/dev/fd").map_or(0, |all| (all.count() as u64).saturating_sub(1)),
            max_fds: process_limits::descriptors().unwrap_or(u64::MAX),
        }
    }
}

fn task() -> Option<proc_taskallinfo> {
    let process = i32::try_from(std::process::id()).ok()?;
    let size = i32::try_from(size_of::<proc_taskallinfo>()).ok()?;
    let mut task = MaybeUninit::<proc_taskallinfo>::uninit();
    // SAFETY: the kernel writes at most `size` bytes to where there are as many.
    let written = unsafe { proc_pidinfo(process, PROC_PIDTASKALLINFO, 0, task.as_mut_ptr().cast(), size) };
    // SAFETY: it has written all of it, and any bytes are a value of these plain numbers.
    (written == size).then(|| unsafe { task.assume_init() })
}
