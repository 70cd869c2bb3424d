//! The helper as a program: requests on its input, answers on its output, one connection of a socket as systemd hands it over.

use std::io::{stdin, stdout};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::sockopt::socket_peercred;

use super::allow::AllowList;
use super::helper::{self, Answer};
use super::kernel::Kernel;
use crate::error::{Code, Error};

const ROOT: u32 = 0;
/// In what the helper says to whom it answers nothing at all.
pub(crate) const MAY_NOT_ASK: &str = "may not ask";

/// Answers what comes on stdin by the list at `path`, until it ends.
///
/// # Errors
/// `ERR_USB_CONFIG` where the list cannot be believed, `ERR_USB_DRIVER` where whoever asks may not.
pub fn serve_driver_requests(path: &Path) -> Result<(), Error> {
    let owner = rustix::process::geteuid().as_raw();
    let ready = may_ask().and_then(|()| AllowList::read(path, owner));
    // Whoever asks learns why not, too.
    let list = ready.as_ref().map_err(|error| error.message.as_str());
    let told =
        |line: &str, answer: &Answer| tracing::info!(request = line, answer = %answer, "driver request");
    let served = helper::serve(&Kernel::new(), list, stdin().lock(), stdout().lock(), told);
    ready?;
    served.map_err(|error| Error::new(Code::Driver, format!("the connection: {error}")))
}

/// On a socket, root and those whose primary group is the socket's own, for the kernel tells no other: also where somebody has opened it to all.
fn may_ask() -> Result<(), Error> {
    let stdin = stdin();
    let Ok(peer) = socket_peercred(stdin.as_fd()) else { return Ok(()) };
    let (uid, gid) = (peer.uid.as_raw(), peer.gid.as_raw());
    let address = stdin.as_fd().try_clone_to_owned().and_then(|fd| UnixStream::from(fd).local_addr());
    let group = address.ok().and_then(|address| Some(std::fs::metadata(address.as_pathname()?).ok()?.gid()));
    tracing::debug!(uid, gid, "driver requests");
    if uid == ROOT || Some(gid) == group {
        return Ok(());
    }
    let message = format!(
        "user {uid} of group {gid} {MAY_NOT_ASK}: expected root, or the group of the socket as primary one"
    );
    Err(Error::new(Code::Driver, message))
}
