//! What is asked of a connection.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;

/// Ends the connection where what has been sent is not acknowledged for so long.
pub(crate) fn give_up_after(socket: impl AsFd, time: Duration) {
    // Where the kernel refuses it, its own patience will do.
    let _ = sockopt::set_tcp_user_timeout(socket, u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
}
