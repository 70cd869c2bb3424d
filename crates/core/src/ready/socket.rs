//! The socket on which both the kernel and udev speak about USB: a second one, because what is read here must not hold up the engine.
//!
//! It is read only while a device is awaited. What comes meanwhile waits in it, so that nothing is missed of a device of which the
//! engine has not told yet.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg, sockopt};

use super::message::Heard;
use crate::source::netlink::keep_back_what_is_not_below_a_bus;
use crate::source::netlink::multicast::{self, KERNEL_GROUP, Sender, UDEV_GROUP};

/// udev's messages carry all properties of a device.
const LONGEST: usize = 16 << 10;
/// Bytes that are asked for, so that a crowd of devices fits; as much as is allowed.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What one look at it gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A message.
    Heard(Heard),
    /// One that is not to be believed, or about something else.
    Other,
    /// Nothing waits.
    Empty,
    /// Messages were lost.
    Lost,
}

pub(super) struct ReadySocket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl ReadySocket {
    /// Opens it.
    ///
    /// # Errors
    /// What the kernel answers where the socket family is forbidden or unknown.
    pub(super) fn open() -> Result<Self, Errno> {
        let fd = multicast::open()?;
        sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER)?;
        // Anybody may send to udev's group: the kernel says who has.
        sockopt::set_socket_passcred(&fd, true)?;
        multicast::join(&fd, KERNEL_GROUP | UDEV_GROUP)?;
        Ok(Self { fd, buffer: vec![0; LONGEST] })
    }

    /// What is about nothing below a USB bus takes no room and wakes nobody from now on. The kernel takes a while over it, for which whoever
    /// opens this need not wait.
    pub(super) fn keep_back_others(&self) {
        keep_back_what_is_not_below_a_bus(&self.fd);
    }

    /// Takes one message, without waiting.
    ///
    /// # Errors
    /// Where the socket itself has failed.
    pub(super) fn receive(&mut self) -> Result<Received, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let received = match recvmsg(&self.fd, &mut parts, &mut ancillary, RecvFlags::empty()) {
            Ok(received) => received,
            Err(Errno::AGAIN) => return Ok(Received::Empty),
            Err(Errno::INTR) => return Ok(Received::Other),
            Err(Errno::NOBUFS) => return Ok(Received::Lost),
            Err(error) => return Err(error),
        };
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Ok(Received::Lost);
        }
        let is_root = ancillary.drain().any(|message| match message {
            RecvAncillaryMessage::ScmCredentials(sender) => sender.uid.is_root(),
            _ => false,
        });
        let message = &self.buffer[..received.bytes];
        let heard = match Sender::at(received.address) {
            Some(Sender::Kernel) => Heard::of_kernel(message),
            Some(Sender::Udev) if is_root => Heard::of_udev(message),
            _ => None,
        };
        Ok(heard.map_or(Received::Other, Received::Heard))
    }
}

impl AsFd for ReadySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
