//! A socket that says only that some device has left: whoever waits for that alone is not woken for the rest.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

use super::multicast::{self, KERNEL_GROUP, set_option};
use super::{filter, first};

/// It is read to be emptied; what it has no room for is heard elsewhere.
const RECEIVE_BUFFER: usize = 16 << 10;

/// Readable where a device has left. What it says is received, and believed, on the engine's own socket.
pub(crate) struct Departures(OwnedFd);

impl Departures {
    /// Begins to listen.
    ///
    /// # Errors
    /// What the kernel answers; also where it has no filter, without which this would hear of all.
    pub(crate) fn open() -> Result<Self, Errno> {
        let fd = multicast::open()?;
        sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER)?;
        filter::attach_departures(&fd)?;
        tracing::debug!("the kernel keeps back all but departures");
        pass_over_losses(&fd)?;
        multicast::join(&fd, KERNEL_GROUP)?;
        Ok(Self(fd))
    }

    /// Whoever waits for this is woken before others, as `first` has it. What it misses meanwhile is heard elsewhere.
    pub(crate) fn go_first(&self) {
        // It is a hint where it hears nothing any more, too.
        let _ = first::join_anew(&self.0);
    }

    /// Whatever has waited does so no more.
    pub(crate) fn empty(&self) {
        while matches!(recv(&self.0, &mut [0; 1][..], RecvFlags::empty()), Ok(_) | Err(Errno::INTR)) {}
    }
}

/// What it has no room for is no error, by which an event loop would give it up.
fn pass_over_losses(socket: &OwnedFd) -> Result<(), Errno> {
    let yes: libc::c_int = 1;
    // SAFETY: the option takes one such number.
    unsafe { set_option(socket, libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS, &yes) }
}

impl AsFd for Departures {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
impl Departures {
    /// As if a device had left: said to this socket alone, by itself, and believed by nobody. False for whom the kernel allows that not.
    pub(crate) fn pretend(&self) -> bool {
        use rustix::net::netlink::SocketAddrNetlink;
        use rustix::net::{SendFlags, getsockname, sendto};
        let own = SocketAddrNetlink::try_from(getsockname(&self.0).expect("its address")).expect("netlink");
        let itself = SocketAddrNetlink::new(own.pid(), 0);
        let message =
            b"remove@/devices/usb1/1-4\0ACTION=remove\0DEVPATH=/devices/usb1/1-4\0SUBSYSTEM=usb\0MAJOR=189\0";
        match sendto(&self.0, message, SendFlags::DONTWAIT, &itself) {
            Ok(_) => true,
            Err(Errno::PERM) => {
                println!("SKIPPED: only root may send uevents");
                false
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::net::getsockname;

    use super::*;

    /// Whether something waits, or something is wrong.
    fn revents(departures: &Departures) -> PollFlags {
        let mut fds = [PollFd::new(departures, PollFlags::IN)];
        poll(&mut fds, Some(&rustix::time::Timespec::default())).expect("polled");
        fds[0].revents()
    }

    #[test]
    fn what_waits_there_can_be_passed_over() {
        let departures = Departures::open().expect("a socket");
        assert!(revents(&departures).is_empty());
        for _ in 0..3 {
            if !departures.pretend() {
                return;
            }
        }
        assert_eq!(revents(&departures), PollFlags::IN);
        departures.empty();
        assert!(revents(&departures).is_empty());
    }

    #[test]
    fn one_that_has_gone_first_is_in_its_group_still() {
        let departures = Departures::open().expect("a socket");
        let before = getsockname(&departures.0).expect("its address");
        departures.go_first();
        assert_eq!(getsockname(&departures.0).expect("its address"), before);
    }
}
