//! A place before all who listen by now.
//!
//! The kernel gives a uevent to the sockets of a group one after another, to the one that has joined last first, and wakes whoever waits
//! for it. On a busy machine who is woken first runs first. libusb's own socket joins late and only confirms, so ours joins once more.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{bind, getsockname};

use super::{Received, UeventSocket};

impl UeventSocket {
    /// Joins once more. Nothing is missed: another socket stands in meanwhile, and what it has heard is received like the rest. True
    /// where something is to be received now. One that was handed over stays where it is: whoever keeps it must never find it outside.
    pub fn go_first(&mut self) -> bool {
        if self.is_handed_over() {
            return false;
        }
        // Where there is no other socket to be had, the place is not worth a gap.
        let Ok(mut stand_in) = Self::open(Some(self.receive_buffer / 2)) else { return false };
        let joined = join_anew(&self.fd);
        // What it has heard beside the other one is in both, and nothing more is needed of it from here on.
        let _ = leave(&stand_in.fd);
        let (own, failed) = drained(self);
        self.kept = merged(own, drained(&mut stand_in).0);
        // Only now: from here on it is all that is received once what is kept has been.
        self.failure = joined.err().or(failed);
        self.failure.is_some() || !self.kept.is_empty()
    }
}

/// Leaves the socket's groups and joins them again. What is said meanwhile it does not hear.
pub(super) fn join_anew(socket: &OwnedFd) -> Result<(), Errno> {
    let address = leave(socket)?;
    bind(socket, &address)
}

/// Gives the address by which it comes back.
fn leave(socket: &OwnedFd) -> Result<SocketAddrNetlink, Errno> {
    let address = SocketAddrNetlink::try_from(getsockname(socket)?)?;
    bind(socket, &SocketAddrNetlink::new(address.pid(), 0))?;
    Ok(address)
}

/// What waits in a socket, and why it gives no more.
fn drained(socket: &mut UeventSocket) -> (Vec<Received>, Option<Errno>) {
    let mut heard = Vec::new();
    loop {
        match socket.receive() {
            Ok(Received::Empty) => return (heard, None),
            Ok(Received::Other) => {}
            Ok(received) => heard.push(received),
            Err(error) => return (heard, Some(error)),
        }
    }
}

/// What two have heard, each uevent once, in the kernel's order; before them, whatever else there was.
fn merged(own: Vec<Received>, other: Vec<Received>) -> VecDeque<Received> {
    let mut heard: Vec<Received> = own.into_iter().chain(other).collect();
    heard.sort_by_key(seqnum);
    heard.dedup_by(|later, earlier| seqnum(later).is_some() && seqnum(later) == seqnum(earlier));
    heard.into()
}

fn seqnum(received: &Received) -> Option<u64> {
    match received {
        Received::Uevent(uevent) => Some(uevent.seqnum),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::netlink::Uevent;
    use crate::sysfs::test_tree::Tree;

    fn uevent(seqnum: u64) -> Received {
        Received::Uevent(Uevent { seqnum, ..Tree::uevent(5) })
    }

    #[test]
    fn each_uevent_is_heard_once_and_in_its_order_whichever_socket_has_heard_it() {
        // It was out of the group for 12 and 13.
        let own = vec![uevent(10), uevent(11), uevent(14), uevent(15)];
        let stand_in = vec![uevent(11), uevent(12), uevent(13), uevent(14)];
        let expected: VecDeque<_> = (10..=15).map(uevent).collect();
        assert_eq!(merged(own, stand_in), expected);
    }

    #[test]
    fn what_was_lost_is_told_before_what_was_heard() {
        let heard = merged(vec![uevent(10), Received::Lost], vec![Received::Lost, uevent(10)]);
        assert_eq!(heard, [Received::Lost, Received::Lost, uevent(10)]);
    }

    #[test]
    fn a_socket_that_has_gone_first_is_in_its_groups_still() {
        let mut socket = UeventSocket::open(Some(8192)).expect("a uevent socket");
        let before = getsockname(&socket.fd).expect("its address");
        assert!(!socket.go_first(), "nothing was heard");
        assert_eq!(getsockname(&socket.fd).expect("its address"), before);
        assert_eq!(socket.receive(), Ok(Received::Empty));
    }
}
