//! The netlink sockets through which uevents leave the bed.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::failure::{Failure, While};

/// The multicast group that the kernel's own uevents go to.
pub(crate) const KERNEL_GROUP: u32 = 1;
/// The multicast group that udevd's messages go to.
const UDEV_GROUP: u32 = 2;

const HEADER: usize = 16;
/// Any type from `NLMSG_MIN_TYPE` on: the kernel skips its control messages, which lie below.
const MESSAGE_TYPE: u16 = 16;
const REQUEST_FLAG: u16 = 1;
const ERROR_TYPE: u16 = 2;

/// A uevent socket for sending only.
#[derive(Debug)]
pub(crate) struct UeventChannel {
    socket: OwnedFd,
    message: Vec<u8>,
}

impl UeventChannel {
    pub(crate) fn open() -> Result<Self, Failure> {
        Ok(Self { socket: open_socket(0)?, message: Vec::new() })
    }

    /// Hands a payload to the kernel, which adds SEQNUM and sends it to group 1 as its own.
    pub(crate) fn rebroadcast(&mut self, payload: &[u8]) -> Result<(), Failure> {
        // The kernel copies the whole packet behind the header, so there must be no padding.
        let length = u32::try_from(HEADER + payload.len())
            .map_err(|_| Failure::refused("a uevent of more than 4 GiB"))?;
        self.message.clear();
        self.message.extend(length.to_ne_bytes());
        self.message.extend(MESSAGE_TYPE.to_ne_bytes());
        self.message.extend(REQUEST_FLAG.to_ne_bytes());
        self.message.extend([0; 8]);
        self.message.extend(payload);
        let sent = send(&self.socket, &self.message, SocketAddrNetlink::new(0, 0));
        sent.and_then(|()| self.refusal()).during("uevent to the kernel")
    }

    /// Multicasts as udevd does.
    pub(crate) fn multicast_as_udev(&self, message: &[u8]) -> Result<(), Failure> {
        send(&self.socket, message, SocketAddrNetlink::new(0, UDEV_GROUP)).during("message to group 2")
    }

    /// Sends a payload that no receiver may believe: to the kernel's group, or straight to one socket.
    pub(crate) fn forge(&self, payload: &[u8], port: Option<u32>) -> Result<(), Failure> {
        let to = match port {
            Some(port) => SocketAddrNetlink::new(port, 0),
            None => SocketAddrNetlink::new(0, KERNEL_GROUP),
        };
        send(&self.socket, payload, to).during("forged uevent")
    }

    /// The kernel answers only when it refuses.
    fn refusal(&self) -> rustix::io::Result<()> {
        let mut answer = [0; 64];
        match rustix::net::recv(&self.socket, &mut answer, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let kind = u16::from_ne_bytes([answer[4], answer[5]]);
                let code = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
                if kind == ERROR_TYPE && code != 0 { Err(Errno::from_raw_os_error(-code)) } else { Ok(()) }
            }
        }
        .or_else(nobody_listens)
    }
}

/// Opens a uevent socket that hears `groups`.
pub(crate) fn open_socket(groups: u32) -> Result<OwnedFd, Failure> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(KOBJECT_UEVENT),
    )
    .during("uevent socket")?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups)).during("binding the uevent socket")?;
    Ok(socket)
}

fn send(socket: &OwnedFd, message: &[u8], to: SocketAddrNetlink) -> rustix::io::Result<()> {
    rustix::net::sendto(socket, message, SendFlags::empty(), &to).map(drop).or_else(nobody_listens)
}

fn nobody_listens(error: Errno) -> rustix::io::Result<()> {
    if error == Errno::CONNREFUSED || error == Errno::SRCH { Ok(()) } else { Err(error) }
}

/// The number of the last uevent that the kernel sent.
pub(crate) fn last_sequence_number() -> io::Result<String> {
    Ok(std::fs::read_to_string("/sys/kernel/uevent_seqnum")?.trim_end().to_owned())
}
