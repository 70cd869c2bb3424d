//! Whoever reads what we print.

use std::io::stdout;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

/// Whether nobody reads stdout any more: a pipe without a reader, a socket or a terminal that has been closed.
pub(crate) fn has_gone() -> bool {
    let out = stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
