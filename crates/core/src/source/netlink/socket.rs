//! The uevent socket: opened with the largest receive buffer allowed, read without ever blocking.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, getsockname, recvfrom, sockopt};

use super::multicast::{self, KERNEL_GROUP, Sender};
use super::{Received, Uevent, filter};

/// Today's kernels write at most 2 KiB of environment; a longer message is noticed and makes room for itself.
const FIRST_MESSAGE_SIZE: usize = 8 << 10;

/// Bytes of a receive buffer that what is not about USB does not fill during a start: 50,000 uevents. Who may have no more than others has less.
const AMPLE_BUFFER: usize = 64 << 20;

/// What is handed over to a process: a descriptor.
pub type UeventHandle = OwnedFd;

/// A socket in the kernel's uevent group.
pub struct UeventSocket {
    pub(super) fd: OwnedFd,
    buffer: Vec<u8>,
    pub(super) receive_buffer: usize,
    handed_over: bool,
    /// The kernel has been asked to keep back what is not about USB.
    is_sifted: bool,
    /// Received before what waits in the kernel.
    pub(super) kept: VecDeque<Received>,
    /// What has become of it while it went first.
    pub(super) failure: Option<Errno>,
}

impl UeventSocket {
    /// Bytes of receive buffer that are asked for where nobody says how many. The kernel takes no memory for a buffer until
    /// messages wait in it, so a stopped daemon costs what it missed.
    pub const WANTED_BUFFER: usize = 128 << 20;

    /// Opens a socket. `receive_buffer` in bytes overrides the wish for as much as is allowed.
    ///
    /// # Errors
    /// What the kernel answers where the socket family is forbidden or unknown.
    pub fn open(receive_buffer: Option<usize>) -> Result<Self, Errno> {
        let fd = multicast::open()?;
        let wanted = receive_buffer.unwrap_or(Self::WANTED_BUFFER);
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN in the initial user namespace; without, as much as may be.
        if sockopt::set_socket_recv_buffer_size_force(&fd, wanted).is_err() {
            sockopt::set_socket_recv_buffer_size(&fd, wanted)?;
        }
        let receive_buffer = sockopt::socket_recv_buffer_size(&fd)?;
        let socket = Self::of(fd, receive_buffer, false);
        multicast::join(&socket.fd, KERNEL_GROUP)?;
        Ok(socket)
    }

    /// Takes a socket that whoever started this process has opened: what has waited in it is heard. Its buffer is left as it is.
    ///
    /// # Errors
    /// A sentence, where it is another kind of socket, or none.
    pub fn adopt(fd: UeventHandle) -> Result<Self, String> {
        let system = |error: Errno| std::io::Error::from(error).to_string();
        let domain = sockopt::socket_domain(&fd).map_err(system)?;
        if domain != AddressFamily::NETLINK {
            return Err(format!("it is of address family {}, not of netlink", domain.as_raw()));
        }
        let protocol = sockopt::socket_protocol(&fd).map_err(system)?;
        if protocol != Some(KOBJECT_UEVENT) {
            let number = protocol.map_or(0, |protocol| protocol.as_raw().get());
            return Err(format!("it has netlink protocol {number}, not that of the kernel's uevents"));
        }
        let bound = getsockname(&fd).map_err(system)?;
        let groups = SocketAddrNetlink::try_from(bound).map_err(system)?.groups();
        if groups & KERNEL_GROUP == 0 {
            return Err(format!("it listens to groups {groups:#x}, not to the kernel's, which is 1"));
        }
        let flags = fcntl_getfl(&fd).map_err(system)?;
        fcntl_setfl(&fd, flags | OFlags::NONBLOCK).map_err(system)?;
        fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(system)?;
        let receive_buffer = sockopt::socket_recv_buffer_size(&fd).map_err(system)?;
        Ok(Self::of(fd, receive_buffer, true))
    }

    fn of(fd: OwnedFd, receive_buffer: usize, handed_over: bool) -> Self {
        let buffer = vec![0; FIRST_MESSAGE_SIZE];
        let (kept, failure) = (VecDeque::new(), None);
        let mut socket = Self { fd, buffer, receive_buffer, handed_over, is_sifted: false, kept, failure };
        if receive_buffer < AMPLE_BUFFER {
            socket.keep_back_others();
        }
        socket
    }

    /// Has the kernel keep back what is not about USB, if it has not been asked to before. Where the buffer is ample it has not: the kernel takes half a
    /// millisecond over it. Until then that is passed over where it is received.
    pub fn keep_back_others(&mut self) {
        if std::mem::replace(&mut self.is_sifted, true) {
            return;
        }
        match filter::attach(&self.fd) {
            Ok(()) => tracing::debug!(source = "netlink", "the kernel keeps back what is not about USB"),
            // All comes then, still.
            Err(error) => tracing::debug!(source = "netlink", %error, "no filter for uevents"),
        }
    }

    /// Whether the kernel has been asked to keep back what is not about USB.
    pub fn is_sifted(&self) -> bool {
        self.is_sifted
    }

    /// Whether somebody else has opened it.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// Bytes that the kernel keeps for messages not read yet, its own bookkeeping included.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Takes one message, without waiting.
    ///
    /// # Errors
    /// Where the socket itself has failed and must be opened again.
    pub fn receive(&mut self) -> Result<Received, Errno> {
        if let Some(received) = self.kept.pop_front() {
            return Ok(received);
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let (length, actual, sender) = match recvfrom(&self.fd, self.buffer.as_mut_slice(), RecvFlags::TRUNC)
        {
            Ok(received) => received,
            Err(Errno::AGAIN) => return Ok(Received::Empty),
            Err(Errno::INTR) => return Ok(Received::Other),
            Err(Errno::NOBUFS) => {
                self.keep_back_others();
                return Ok(Received::Lost);
            }
            Err(error) => return Err(error),
        };
        if Sender::at(sender) != Some(Sender::Kernel) {
            return Ok(Received::Foreign);
        }
        if actual > length {
            self.buffer.resize(actual.next_power_of_two(), 0);
            return Ok(Received::Lost);
        }
        Ok(match Uevent::parse(&self.buffer[..length]) {
            Ok(Some(uevent)) => Received::Uevent(uevent),
            Ok(None) => Received::Other,
            Err(error) => Received::Unreadable(error),
        })
    }
}

impl AsFd for UeventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{SocketFlags, SocketType, bind, socket_with};

    use super::*;

    #[test]
    fn an_idle_socket_is_empty_and_its_buffer_is_what_was_asked_for() {
        let mut socket = UeventSocket::open(Some(8192)).expect("a uevent socket");
        // The kernel doubles what it is asked for.
        assert_eq!(socket.receive_buffer(), 16384);
        assert_eq!(socket.receive(), Ok(Received::Empty));
    }

    #[test]
    fn only_where_the_buffer_is_ample_the_filter_may_wait() {
        assert!(UeventSocket::open(Some(8192)).expect("a uevent socket").is_sifted());
        let mut socket = UeventSocket::open(None).expect("a uevent socket");
        let is_ample = socket.receive_buffer() >= AMPLE_BUFFER;
        assert_eq!(socket.is_sifted(), !is_ample);
        socket.keep_back_others();
        assert!(socket.is_sifted());
    }

    #[test]
    fn a_socket_that_was_handed_over_is_taken_as_it_is_if_it_is_one_of_the_kernels_uevents() {
        let own = UeventSocket::open(Some(8192)).expect("a uevent socket");
        let mut adopted = UeventSocket::adopt(own.fd).expect("a uevent socket");
        assert_eq!((adopted.receive_buffer(), adopted.is_handed_over()), (16384, true));
        assert_eq!(adopted.receive(), Ok(Received::Empty));
        let refusal = |fd| UeventSocket::adopt(fd).err().expect("another kind of socket");
        let netlink = |protocol, groups| {
            let fd = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::empty(), protocol);
            let fd = fd.expect("a socket");
            bind(&fd, &SocketAddrNetlink::new(0, groups)).expect("bound");
            fd
        };
        assert!(refusal(netlink(None, 0)).contains("protocol 0"));
        // Group 2 is udev's: anybody may send there.
        assert!(refusal(netlink(Some(KOBJECT_UEVENT), 2)).contains("groups 0x2"));
        let stream = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None);
        assert!(refusal(stream.expect("a socket")).contains("address family 1"));
        assert!(UeventSocket::adopt(std::fs::File::open("/dev/null").expect("a file").into()).is_err());
    }
}
