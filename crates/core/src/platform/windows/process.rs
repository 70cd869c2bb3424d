//! What the process uses. What cannot be read is 0: a figure that is missing stops no scrape.

use std::mem::{size_of, zeroed};

use windows_sys::Win32::Foundation::{CloseHandle, FILETIME, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::ProcessStatus::{
    GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS_EX,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount, GetProcessTimes};

use super::process_limits::HANDLES;
use crate::platform::ProcessUse;

/// Hundreds of nanoseconds in a second.
const TICKS: f64 = 1e7;
/// Seconds from 1601, when Windows's time begins, to 1970.
const EPOCH: f64 = 11_644_473_600.0;

impl ProcessUse {
    /// Looks now.
    pub(crate) fn now() -> Self {
        let (started, cpu_seconds) = times();
        let memory = memory();
        Self {
            cpu_seconds,
            resident_bytes: memory.WorkingSetSize as u64,
            // What it has been promised: its address space says nothing here.
            virtual_bytes: memory.PrivateUsage as u64,
            started,
            open_fds: handles(),
            max_fds: HANDLES,
            threads: threads(),
        }
    }
}

/// When it started, in seconds since 1970, and seconds on a processor.
fn times() -> (f64, f64) {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the pseudo handle of this process is always good, and each place is ours to be written to.
    let done = unsafe { GetProcessTimes(GetCurrentProcess(), created, exited, kernel, user) };
    if done == 0 {
        return (0.0, 0.0);
    }
    let [created, _, kernel, user] = times.map(seconds);
    (created - EPOCH, kernel + user)
}

#[expect(clippy::cast_precision_loss, reason = "a tenth of a microsecond in some hundred years")]
fn seconds(time: FILETIME) -> f64 {
    ((u64::from(time.dwHighDateTime) << 32) | u64::from(time.dwLowDateTime)) as f64 / TICKS
}

fn memory() -> PROCESS_MEMORY_COUNTERS_EX {
    let mut counters = PROCESS_MEMORY_COUNTERS_EX::default();
    let size = size_of::<PROCESS_MEMORY_COUNTERS_EX>();
    let place = (&raw mut counters).cast::<PROCESS_MEMORY_COUNTERS>();
    // SAFETY: the longer form begins as the shorter one does, and its size is given. On failure it stays all zeros.
    unsafe { GetProcessMemoryInfo(GetCurrentProcess(), place, u32::try_from(size).unwrap_or_default()) };
    counters
}

fn handles() -> u64 {
    let mut count = 0;
    // SAFETY: the pseudo handle of this process is always good, and the place is ours to be written to.
    unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    count.into()
}

/// Windows counts threads only in a listing of all processes.
fn threads() -> u64 {
    // SAFETY: makes a listing of its own and gives a handle to it.
    let listing = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if listing == INVALID_HANDLE_VALUE {
        return 0;
    }
    // SAFETY: plain numbers, of which all zeros are a value.
    let mut entry: PROCESSENTRY32W = unsafe { zeroed() };
    entry.dwSize = u32::try_from(size_of::<PROCESSENTRY32W>()).unwrap_or_default();
    let mut found = 0;
    // SAFETY: the handle is that of the listing, and the entry has the size that it says.
    let mut more = unsafe { Process32FirstW(listing, &raw mut entry) };
    while more != 0 {
        if entry.th32ProcessID == std::process::id() {
            found = entry.cntThreads;
            break;
        }
        // SAFETY: as above.
        more = unsafe { Process32NextW(listing, &raw mut entry) };
    }
    // SAFETY: opened above and not used any more.
    unsafe { CloseHandle(listing) };
    found.into()
}
