//! The kernel's word that a driver has been bound: its `bind` uevents.

use std::os::fd::OwnedFd;

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

const KERNEL_GROUP: u32 = 1;
const KERNEL_PORT: u32 = 0;
const LARGEST_MESSAGE: usize = 8 << 10;

/// Listens from its making on; heard is what came since.
pub(super) struct BindUevents(Option<OwnedFd>);

impl BindUevents {
    /// Where no such socket can be had, nothing is ever heard, and sysfs alone tells.
    pub(super) fn listen() -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT)).ok();
        Self(socket.filter(|socket| bind(socket, &SocketAddrNetlink::new(0, KERNEL_GROUP)).is_ok()))
    }

    /// The interfaces of which the kernel has said so, and of which nobody has been told yet.
    pub(super) fn heard(&self) -> Vec<String> {
        let mut heard = Vec::new();
        let Some(socket) = &self.0 else { return heard };
        let mut buffer = vec![0; LARGEST_MESSAGE];
        // An error that is no end of messages is one of messages lost: sysfs still tells.
        while let Ok((length, _, sender)) = recvfrom(socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            let is_kernels = sender
                .and_then(|address| SocketAddrNetlink::try_from(address).ok())
                .is_some_and(|address| address.pid() == KERNEL_PORT && address.groups() == KERNEL_GROUP);
            heard.extend(is_kernels.then(|| bound_interface(&buffer[..length])).flatten());
        }
        heard
    }
}

/// The interface that a message says has been bound: `1-4.2:1.0`.
fn bound_interface(message: &[u8]) -> Option<String> {
    let mut fields = message.split(|byte| *byte == 0);
    let header = std::str::from_utf8(fields.next()?).ok()?;
    let name = header.strip_prefix("bind@/devices/")?.rsplit('/').next()?;
    fields.any(|field| field == b"DEVTYPE=usb_interface").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_binding_of_an_interface_counts() {
        let message = |action: &str, kind: &str| {
            let header = format!("{action}@/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0");
            format!("{header}\0ACTION={action}\0SUBSYSTEM=usb\0DEVTYPE={kind}\0DRIVER=ftdi_sio\0")
                .into_bytes()
        };
        assert_eq!(bound_interface(&message("bind", "usb_interface")).as_deref(), Some("1-4:1.0"));
        assert_eq!(bound_interface(&message("unbind", "usb_interface")), None);
        assert_eq!(bound_interface(&message("bind", "usb_device")), None);
        assert_eq!(bound_interface(b""), None);
        assert!(BindUevents::listen().heard().is_empty());
    }
}
