//! One notification: a datagram to the manager's socket.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A manager that takes nothing for so long misses this one. Whoever stops waits no longer than that.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where notifications go.
#[derive(Debug)]
pub(super) struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// `address` is a path, or an abstract name behind an `@`.
    pub(super) fn new(address: &str) -> io::Result<Self> {
        let address = match address.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, address })
    }

    /// Sends lines of `NAME=value`.
    pub(super) fn send(&self, lines: &[String]) -> io::Result<()> {
        self.socket.send_to_addr(lines.join("\n").as_bytes(), &self.address).map(drop)
    }
}

/// A text for people, on one line.
pub(super) fn status(text: &str) -> String {
    format!("STATUS={}", crate::line::on_one_line(text))
}

/// The time by which a manager tells a reload from the one before.
pub(super) fn monotonic_usec() -> String {
    let now = clock_gettime(ClockId::Monotonic);
    format!("MONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_that_reads_nothing_does_not_hold_up_who_tells_it() {
        let name = format!("usb-daemon-test-full-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let _unread = UnixDatagram::bind_addr(&address).expect("bound");
        let notifier = Notifier::new(&format!("@{name}")).expect("a way");
        let error = (0..100_000).find_map(|_| notifier.send(&["READY=1".to_owned()]).err()).expect("full");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
