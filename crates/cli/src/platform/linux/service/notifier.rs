//! One notification: a datagram to the manager's socket.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

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
        Ok(Self { socket: UnixDatagram::unbound()?, address })
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
