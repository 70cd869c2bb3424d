//! Sockets on which uevents are multicast: netlink protocol 15, where the kernel has a group and udev another one.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType, bind, socket_with};

/// The kernel's group.
pub(crate) const KERNEL_GROUP: u32 = 1;
/// udev's. Anybody may send to it.
pub(crate) const UDEV_GROUP: u32 = 2;
/// The kernel's own address: no process has it.
const KERNEL_PORT: u32 = 0;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The kernel: something has happened.
    Kernel,
    /// udev, if root it is: it has finished with that.
    Udev,
}

impl Sender {
    /// Who has sent what came from this address. None of who has no business to.
    pub(crate) fn at(address: Option<SocketAddrAny>) -> Option<Self> {
        let address = SocketAddrNetlink::try_from(address?).ok()?;
        match (address.groups(), address.pid()) {
            (KERNEL_GROUP, KERNEL_PORT) => Some(Self::Kernel),
            (UDEV_GROUP, port) if port != KERNEL_PORT => Some(Self::Udev),
            _ => None,
        }
    }
}

/// Opens a socket that is in no group yet, and on which no call blocks.
///
/// # Errors
/// What the kernel answers where the socket family is forbidden or unknown.
pub(crate) fn open() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))
}

/// From now on what is sent to these groups comes.
///
/// # Errors
/// What the kernel answers.
pub(crate) fn join(socket: impl AsFd, groups: u32) -> Result<(), Errno> {
    bind(socket, &SocketAddrNetlink::new(0, groups))
}

/// Sets an option that has no safe name here.
///
/// # Errors
/// What the kernel answers.
///
/// # Safety
/// The option takes one `Value`, and what that points to is as the option has it.
pub(super) unsafe fn set_option<Value>(
    socket: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &Value,
) -> Result<(), Errno> {
    let size = libc::socklen_t::try_from(size_of::<Value>()).map_err(|_| Errno::INVAL)?;
    let value: *const Value = value;
    // SAFETY: as the caller says; the value outlives the call, and this is its size.
    let done = unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, value.cast(), size) };
    if done == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernel_speaks_in_its_group_and_others_in_udevs() {
        let sender = |port, groups| Sender::at(Some(SocketAddrNetlink::new(port, groups).into()));
        assert_eq!(sender(KERNEL_PORT, KERNEL_GROUP), Some(Sender::Kernel));
        assert_eq!(sender(4711, UDEV_GROUP), Some(Sender::Udev));
        for (port, groups) in
            [(4711, KERNEL_GROUP), (KERNEL_PORT, UDEV_GROUP), (4711, 3), (KERNEL_PORT, 3), (4711, 0)]
        {
            assert_eq!(sender(port, groups), None, "{port} to {groups}");
        }
        assert_eq!(Sender::at(None), None);
    }
}
