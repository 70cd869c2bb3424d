//! Whether the kernel's uevents reach this network namespace.
//!
//! Since Linux 4.18 the kernel sends uevents of USB devices to each network namespace that belongs to the initial user
//! namespace, and to no other one, unless a program forwards them there.

use std::ffi::c_void;
use std::fs::{File, read_link};
use std::io;
use std::os::fd::{AsFd, FromRawFd as _, OwnedFd};
use std::ptr::null_mut;

use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use super::{Finding, Tell};
use crate::config::Config;

const SUBJECT: &str = "namespaces";
/// `PROC_USER_INIT_INO`: the kernel's own number of the initial user namespace.
const INITIAL_USER: u64 = 0xEFFF_FFFD;

/// Whose the network namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The user namespace with this inode.
    User(u64),
    /// A user namespace that is not to be seen from here: one that ours hangs below.
    Above,
    /// The kernel does not say.
    Unknown,
}

pub(super) fn reach(config: &Config, tell: Tell<'_>) {
    if !config.hears_uevents() {
        return;
    }
    let name = |kind: &str| {
        read_link(format!("/proc/self/ns/{kind}"))
            .map_or_else(|_| format!("{kind}:unknown"), |link| link.display().to_string())
    };
    tell(judge(owner(), &name("net"), &name("user")));
}

fn judge(owner: Owner, network: &str, user: &str) -> Finding {
    match owner {
        Owner::User(INITIAL_USER) => Finding::ok(
            SUBJECT,
            format!("{network} belongs to the initial user namespace: the kernel sends its uevents here"),
        ),
        Owner::User(_) => Finding::warn(
            SUBJECT,
            format!(
                "{network} belongs to {user}, which is not the initial user namespace: the kernel sends no uevents \
                 here, so only snapshots find what comes and goes"
            ),
            "run in the host's network namespace (--network=host), without user namespaces (--userns=host), or \
             forward uevents; a smaller monitoring.interval finds changes sooner",
        ),
        Owner::Above => Finding::ok(
            SUBJECT,
            format!(
                "{network} belongs to a user namespace above {user}: uevents are heard if that is the initial one, \
                 as with the host's network"
            ),
        ),
        Owner::Unknown => Finding::ok(
            SUBJECT,
            format!(
                "whose {network} is cannot be seen: uevents are heard only where it belongs to the initial user \
                 namespace"
            ),
        ),
    }
}

fn owner() -> Owner {
    let user = || -> io::Result<Owner> {
        let network = File::open("/proc/self/ns/net")?;
        let owner = match owning_user_namespace(network.as_fd()) {
            Ok(owner) => owner,
            Err(Errno::PERM) => return Ok(Owner::Above),
            Err(error) => return Err(error.into()),
        };
        Ok(Owner::User(fstat(&owner)?.st_ino))
    };
    user().unwrap_or(Owner::Unknown)
}

fn owning_user_namespace(namespace: impl AsFd) -> Result<OwnedFd, Errno> {
    // SAFETY: NS_GET_USERNS takes no argument and only makes a new descriptor.
    unsafe { ioctl(namespace, GetUserNamespace) }
}

/// `NS_GET_USERNS` of `<linux/nsfs.h>`.
struct GetUserNamespace;

// SAFETY: the opcode is that of a request without an argument, whose result is a new file descriptor.
unsafe impl Ioctl for GetUserNamespace {
    type Output = OwnedFd;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::none(0xb7, 1)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> Result<OwnedFd, Errno> {
        // SAFETY: the call has succeeded, so this is a descriptor that nobody else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(out) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Grade;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn only_what_belongs_to_the_initial_user_namespace_is_sent_uevents() {
        for (owner, grade, expected) in [
            (Owner::User(INITIAL_USER), Grade::Ok, "sends its uevents here"),
            (Owner::User(4_026_532_246), Grade::Warn, "sends no uevents here"),
            (Owner::Above, Grade::Ok, "a user namespace above user:[2]"),
            (Owner::Unknown, Grade::Ok, "cannot be seen"),
        ] {
            let finding = judge(owner, "net:[1]", "user:[2]");
            assert_eq!(finding.grade, grade, "{owner:?}");
            assert!(finding.found.contains(expected) && finding.found.contains("net:[1]"), "{finding:?}");
            assert_eq!(finding.advice.is_some(), grade == Grade::Warn);
        }
    }

    #[test]
    fn the_kernel_says_whose_a_namespace_is() {
        let network = File::open("/proc/self/ns/net").expect("a namespace");
        let owner = owning_user_namespace(&network).expect("an answer");
        assert_ne!(owner.as_raw_fd(), network.as_raw_fd());
        let link = read_link(format!("/proc/self/fd/{}", owner.as_raw_fd())).expect("a link");
        assert!(link.to_str().is_some_and(|link| link.starts_with("user:[")), "{link:?}");
    }
}
