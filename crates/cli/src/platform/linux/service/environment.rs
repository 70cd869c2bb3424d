//! The variables, taken once.

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::socket_type;

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;
/// More sockets than anybody hands over.
const MOST: RawFd = 64;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// What the service manager has given to this process.
#[derive(Debug, Default)]
pub struct Service {
    /// What was handed over, with its name; none where it is no socket.
    pub(super) sockets: Vec<(String, Option<OwnedFd>)>,
    /// Where notifications go.
    pub(super) notify: Option<String>,
    /// How long the manager waits for a sign of life.
    pub(super) watchdog: Option<Duration>,
}

impl Service {
    /// What the environment says, the first time; then nothing. Whoever calls it takes [`Self::VARIABLES`] out of the
    /// environment, so that no child takes what is ours for its own.
    pub fn of_environment() -> Self {
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Self::default();
        }
        let found = Found::of(|name| std::env::var(name).ok(), std::process::id());
        let sockets = (FIRST..FIRST + found.sockets).zip(found.names).map(|(fd, name)| (name, take(fd)));
        Self { sockets: sockets.collect(), notify: found.notify, watchdog: found.watchdog }
    }

    /// Variables that are meant for this process alone.
    pub const VARIABLES: [&str; 7] = [
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "LISTEN_PIDFDID",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
    ];
}

/// The socket that was handed over under this number.
fn take(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: it is only asked what it is, and marked. Where the number is not open, the answer is EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    // What is no socket has not been handed over: it may be anybody's in this process, and is not to be closed.
    socket_type(borrowed).ok()?;
    fcntl_setfd(borrowed, FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, and nobody else's: LISTEN_PID names this process, so that whoever started it has left this number
    // open for us, and TAKEN lets us come here once.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What the variables say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    sockets: RawFd,
    names: Vec<String>,
    notify: Option<String>,
    watchdog: Option<Duration>,
}

impl Found {
    fn of(variable: impl Fn(&str) -> Option<String>, process: u32) -> Self {
        let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
        let is_ours = |name: &str| number(name) == Some(process.into());
        let sockets = if is_ours("LISTEN_PID") { number("LISTEN_FDS").unwrap_or(0) } else { 0 };
        let sockets = RawFd::try_from(sockets).unwrap_or(MOST).min(MOST);
        let text = variable("LISTEN_FDNAMES").unwrap_or_default();
        let said = text.split(':').filter(|_| !text.is_empty()).map(str::to_owned);
        let all = said.chain(std::iter::repeat("unknown".to_owned()));
        let names = all.take(usize::try_from(sockets).unwrap_or_default()).collect();
        let for_us = number("WATCHDOG_PID").is_none() || is_ours("WATCHDOG_PID");
        let watchdog = number("WATCHDOG_USEC").filter(|micros| for_us && *micros > 0);
        Self {
            sockets,
            names,
            notify: variable("NOTIFY_SOCKET").filter(|address| !address.is_empty()),
            watchdog: watchdog.map(Duration::from_micros),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Found {
        let value = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        };
        Found::of(value, 42)
    }

    #[test]
    fn what_is_meant_for_another_process_is_left_alone() {
        let ours = found(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "uevents")]);
        assert_eq!((ours.sockets, ours.names), (2, vec!["uevents".to_owned(), "unknown".to_owned()]));
        assert_eq!(found(&[("LISTEN_PID", "41"), ("LISTEN_FDS", "2")]).sockets, 0);
        assert_eq!(found(&[("LISTEN_FDS", "2")]).sockets, 0);
        assert_eq!(found(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "99999999999")]).sockets, MOST);
        let second = Some(Duration::from_secs(1));
        assert_eq!(found(&[("WATCHDOG_USEC", "1000000")]).watchdog, second);
        assert_eq!(found(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "42")]).watchdog, second);
        assert_eq!(found(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "7")]).watchdog, None);
        assert_eq!(found(&[("WATCHDOG_USEC", "0"), ("NOTIFY_SOCKET", "")]), Found::default());
    }
}
