//! What a service manager gives to the process, and what it wants to hear: systemd's protocols of sockets and notifications.
//!
//! Our own few lines, because the crates for it read the variables anew at each call and know no abstract addresses: here the
//! variables are taken once, before anything else runs, and leave the environment after that.

mod environment;
mod manager;
mod notifier;
mod supervised;

use std::os::fd::OwnedFd;

use usb_daemon_core::{Code, Error};

pub use environment::Service;
pub(crate) use manager::{Ask, Manager};
pub(crate) use supervised::Readiness;

impl Service {
    /// The socket of the kernel's uevents, if one has been handed over; the daemon checks that it is one.
    pub(crate) fn take_uevent_socket(&mut self) -> Result<Option<OwnedFd>, Error> {
        let mut sockets = std::mem::take(&mut self.sockets);
        if sockets.len() > 1 {
            let names: Vec<&str> = sockets.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!(
                "{} sockets were handed over ({}), and there is use for one, that of the kernel's uevents: keep to \
                 ListenNetlink=kobject-uevent 1",
                sockets.len(),
                names.join(", ")
            );
            return Err(Error::new(Code::Source, message));
        }
        let Some((name, socket)) = sockets.pop() else { return Ok(None) };
        let missing = || {
            let message = format!(
                "LISTEN_FDS says that {name} was handed over as descriptor 3, and that is no socket: keep to \
                 ListenNetlink=kobject-uevent 1"
            );
            Error::new(Code::Source, message)
        };
        socket.ok_or_else(missing).map(Some)
    }
}
