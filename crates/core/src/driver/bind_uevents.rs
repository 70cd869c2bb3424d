//! The kernel's word that a driver has been bound: its `bind` uevents.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recvfrom};

use crate::ready::{Action, Heard};
use crate::source::netlink::keep_back_what_is_not_below_a_bus;
use crate::source::netlink::multicast::{self, KERNEL_GROUP, Sender};

const LARGEST_MESSAGE: usize = 8 << 10;

/// Listens from its making on; heard is what came since.
pub(super) struct BindUevents(Option<OwnedFd>);

impl BindUevents {
    /// Where no such socket can be had, nothing is ever heard, and sysfs alone tells.
    pub(super) fn listen() -> Self {
        let socket = multicast::open().inspect(|socket| keep_back_what_is_not_below_a_bus(socket)).ok();
        Self(socket.filter(|socket| multicast::join(socket, KERNEL_GROUP).is_ok()))
    }

    /// Names of what the kernel says has been bound, and of which nobody has been told yet: those of interfaces, and of whatever else below a
    /// USB device has a colon in its name, such as a HID device. Nobody looks for those.
    pub(super) fn heard(&self) -> Vec<String> {
        let Some(socket) = &self.0 else { return Vec::new() };
        read_all(|buffer| {
            let (length, _, sender) = recvfrom(socket, buffer, RecvFlags::empty())?;
            Ok((length, Sender::at(sender)))
        })
    }
}

/// Until nothing waits any more. What was lost is lost: sysfs still tells.
fn read_all(mut receive: impl FnMut(&mut [u8]) -> Result<(usize, Option<Sender>), Errno>) -> Vec<String> {
    let (mut heard, mut buffer) = (Vec::new(), vec![0; LARGEST_MESSAGE]);
    loop {
        match receive(&mut buffer) {
            Ok((length, Some(Sender::Kernel))) => heard.extend(bound_name(&buffer[..length])),
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
            Err(_) => return heard,
        }
    }
}

/// What a message says has been bound, if its name is like an interface's: `1-4.2:1.0`, but `0003:046D:C077.0001` as well.
fn bound_name(message: &[u8]) -> Option<String> {
    let heard = Heard::of_kernel(message).filter(|heard| heard.action == Action::Bind)?;
    Some(heard.name().to_owned()).filter(|name| name.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(action: &str, below: &str) -> Vec<u8> {
        let path = format!("/devices/pci0000:00/0000:00:14.0/usb1/1-4{below}");
        format!(
            "{action}@{path}\0ACTION={action}\0DEVPATH={path}\0SUBSYSTEM=usb\0DRIVER=ftdi_sio\0SEQNUM=7\0"
        )
        .into_bytes()
    }

    #[test]
    fn only_the_binding_of_what_has_a_name_like_an_interfaces_counts() {
        assert_eq!(bound_name(&message("bind", "/1-4:1.0")).as_deref(), Some("1-4:1.0"));
        assert_eq!(bound_name(&message("unbind", "/1-4:1.0")), None);
        let hid = "0003:046D:C077.0001";
        assert_eq!(bound_name(&message("bind", &format!("/1-4:1.0/{hid}"))).as_deref(), Some(hid));
        assert_eq!(bound_name(&message("bind", "")), None);
        assert_eq!(bound_name(b""), None);
    }

    #[test]
    fn what_is_left_after_a_loss_is_read_and_nobody_but_the_kernel_believed() {
        let bound = |interface: &str| message("bind", &format!("/{interface}"));
        let mut said = [
            Ok((Some(Sender::Kernel), bound("1-4:1.0"))),
            Err(Errno::NOBUFS),
            Ok((Some(Sender::Kernel), bound("1-4:1.1"))),
            Ok((None, bound("1-4:1.2"))),
            Ok((Some(Sender::Udev), bound("1-4:1.3"))),
            Err(Errno::INTR),
            Ok((Some(Sender::Kernel), bound("1-4:1.4"))),
            Err(Errno::AGAIN),
        ]
        .into_iter();
        let heard = read_all(|buffer| {
            let (sender, message) = said.next().expect("nobody reads on")?;
            buffer[..message.len()].copy_from_slice(&message);
            Ok((message.len(), sender))
        });
        assert_eq!(heard, ["1-4:1.0", "1-4:1.1", "1-4:1.4"]);
    }
}
