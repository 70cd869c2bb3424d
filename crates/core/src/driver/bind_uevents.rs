//! The kernel's word that a driver has been bound: its `bind` uevents.

use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, recvfrom};

use crate::ready::{Action, Heard};
use crate::source::netlink::multicast::{self, KERNEL_GROUP, Sender};

const LARGEST_MESSAGE: usize = 8 << 10;

/// Listens from its making on; heard is what came since.
pub(super) struct BindUevents(Option<OwnedFd>);

impl BindUevents {
    /// Where no such socket can be had, nothing is ever heard, and sysfs alone tells.
    pub(super) fn listen() -> Self {
        let socket = multicast::open().ok();
        Self(socket.filter(|socket| multicast::join(socket, KERNEL_GROUP).is_ok()))
    }

    /// The interfaces of which the kernel has said so, and of which nobody has been told yet.
    pub(super) fn heard(&self) -> Vec<String> {
        let mut heard = Vec::new();
        let Some(socket) = &self.0 else { return heard };
        let mut buffer = vec![0; LARGEST_MESSAGE];
        // An error that is no end of messages is one of messages lost: sysfs still tells.
        while let Ok((length, _, sender)) = recvfrom(socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            if Sender::at(sender) == Some(Sender::Kernel) {
                heard.extend(bound_interface(&buffer[..length]));
            }
        }
        heard
    }
}

/// The interface that a message says has been bound: `1-4.2:1.0`.
fn bound_interface(message: &[u8]) -> Option<String> {
    let heard = Heard::of_kernel(message).filter(|heard| heard.action == Action::Bind)?;
    Some(heard.name().to_owned()).filter(|name| name.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_binding_of_an_interface_counts() {
        let message = |action: &str, below: &str| {
            let path = format!("/devices/pci0000:00/0000:00:14.0/usb1/1-4{below}");
            format!(
                "{action}@{path}\0ACTION={action}\0DEVPATH={path}\0SUBSYSTEM=usb\0DRIVER=ftdi_sio\0SEQNUM=7\0"
            )
            .into_bytes()
        };
        assert_eq!(bound_interface(&message("bind", "/1-4:1.0")).as_deref(), Some("1-4:1.0"));
        assert_eq!(bound_interface(&message("unbind", "/1-4:1.0")), None);
        assert_eq!(bound_interface(&message("bind", "")), None);
        assert_eq!(bound_interface(b""), None);
        assert!(BindUevents::listen().heard().is_empty());
    }
}
