//! The calling thread.

use rustix::process::setpriority_process;

/// Added to the niceness of threads that come after others.
const NICENESS: i32 = 10;

/// Has this thread, and those that it starts, come after all others. On Linux this is the calling thread's alone; where it is
/// refused, it is merely as eager as everybody.
pub(crate) fn stand_back() {
    let _ = setpriority_process(None, NICENESS);
}
