//! The uevent socket: opened with the largest receive buffer allowed, read without ever blocking.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with, sockopt};

use super::{Received, Uevent};

const KERNEL_GROUP: u32 = 1;
const KERNEL_PORT: u32 = 0;
/// Today's kernels write at most 2 KiB of environment; a longer message is noticed and makes room for itself.
const FIRST_MESSAGE_SIZE: usize = 8 << 10;

/// A socket in the kernel's uevent group.
pub struct UeventSocket {
    fd: OwnedFd,
    buffer: Vec<u8>,
    receive_buffer: usize,
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
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(KOBJECT_UEVENT),
        )?;
        let wanted = receive_buffer.unwrap_or(Self::WANTED_BUFFER);
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN in the initial user namespace; without, as much as may be.
        if sockopt::set_socket_recv_buffer_size_force(&fd, wanted).is_err() {
            sockopt::set_socket_recv_buffer_size(&fd, wanted)?;
        }
        bind(&fd, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        let receive_buffer = sockopt::socket_recv_buffer_size(&fd)?;
        Ok(Self { fd, buffer: vec![0; FIRST_MESSAGE_SIZE], receive_buffer })
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
        let (length, actual, sender) = match recvfrom(&self.fd, self.buffer.as_mut_slice(), RecvFlags::TRUNC)
        {
            Ok(received) => received,
            Err(Errno::AGAIN) => return Ok(Received::Empty),
            Err(Errno::INTR) => return Ok(Received::Other),
            Err(Errno::NOBUFS) => return Ok(Received::Lost),
            Err(error) => return Err(error),
        };
        let from_kernel = sender
            .and_then(|address| SocketAddrNetlink::try_from(address).ok())
            .is_some_and(|address| address.pid() == KERNEL_PORT && address.groups() == KERNEL_GROUP);
        if !from_kernel {
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
    use super::*;

    #[test]
    fn an_idle_socket_is_empty_and_its_buffer_is_what_was_asked_for() {
        let mut socket = UeventSocket::open(Some(8192)).expect("a uevent socket");
        // The kernel doubles what it is asked for.
        assert_eq!(socket.receive_buffer(), 16384);
        assert_eq!(socket.receive(), Ok(Received::Empty));
    }
}
