//! A timerfd, which a thread waits on that nobody has to wake for it to be set.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Goes off once, so long after it has been set, unless it is set again or stilled before.
pub(crate) struct Alarm(OwnedFd);

impl Alarm {
    /// One that is not set.
    ///
    /// # Errors
    /// Where the process has no file descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?))
    }

    /// Whoever waits goes on in so long.
    pub(crate) fn set(&self, after: Duration) {
        // Nothing at all would still it, and what is too long for the kernel's clock never comes.
        self.arm(after.max(Duration::from_nanos(1)).try_into().unwrap_or_default());
    }

    /// It does not go off any more; one that has, and that nobody has heard, has not.
    pub(crate) fn still(&self) {
        self.arm(Timespec::default());
    }

    /// Waits until it goes off.
    pub(crate) fn wait(&self) {
        // A signal that interrupts it looks like one that goes off: whoever waits looks around in any case.
        let _ = read(&self.0, &mut [0; 8]);
    }

    fn arm(&self, it_value: Timespec) {
        // Refused only for a time that is none.
        let _ = timerfd_settime(
            &self.0,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: Timespec::default(), it_value },
        );
    }
}

/// Readable once it has gone off, until it is set again or stilled.
impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
