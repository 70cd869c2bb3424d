//! The calling thread.

use rustix::process::setpriority_process;

/// Added to the niceness of threads that come after others.
const NICENESS: i32 = 10;

/// Has this thread, and those that it starts, come after all others: with less of the processor where they share one, and without taking
/// it from them when it is woken. On Linux this is the calling thread's alone; where it is refused, it is merely as eager as everybody.
pub(crate) fn stand_back() {
    let _ = setpriority_process(None, NICENESS);
    push_nobody_aside();
}

/// Has this thread, and those that it starts, take the processor from no other when it is woken. It gets as much of it as everybody.
pub(crate) fn push_nobody_aside() {
    // Who is less eager than that by somebody's wish stays so.
    if policy() == libc::c_long::from(libc::SCHED_OTHER) {
        let priority: libc::c_int = 0;
        // SAFETY: reads the one number that the kernel's `sched_param` is, and changes when the calling thread runs, nothing else.
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_BATCH, &raw const priority) };
    }
}

/// By the system call's number: musl has functions of these names that do nothing.
fn policy() -> libc::c_long {
    // SAFETY: asks about the calling thread.
    unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn who_stands_back_takes_the_processor_from_nobody_and_neither_does_whom_it_starts() {
        let stood_back = std::thread::spawn(|| {
            stand_back();
            (policy(), std::thread::spawn(policy).join().expect("no panic"))
        });
        let batch = libc::c_long::from(libc::SCHED_BATCH);
        assert_eq!(stood_back.join().expect("no panic"), (batch, batch));
    }

    #[test]
    fn who_pushes_nobody_aside_is_as_nice_as_before() {
        let niceness = || getpriority_process(None).expect("a niceness");
        let pushing = std::thread::spawn(move || {
            let before = niceness();
            push_nobody_aside();
            (policy(), niceness() == before)
        });
        assert_eq!(pushing.join().expect("no panic"), (libc::c_long::from(libc::SCHED_BATCH), true));
    }
}
