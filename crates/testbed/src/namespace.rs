//! Namespaces: leaving the old ones, mapping users, joining somebody else's, and a working loopback.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::failure::{Failure, While};

/// Leaves the namespaces that `flags` name for new ones.
pub(crate) fn leave(flags: UnshareFlags) -> Result<(), Failure> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only CLONE_FILES could take file descriptors away from other threads, and no caller passes it.
    unsafe { rustix::thread::unshare_unsafe(flags) }.during("unsharing namespaces")
}

/// Gives the new user namespace of process `pid` every user that this process has: all as they are for root, and
/// this one user as root for anybody else.
pub(crate) fn map_users(pid: u32) -> Result<(), Failure> {
    let whole = rustix::process::geteuid().is_root();
    if !whole {
        write_proc(pid, "setgroups", "deny")?;
    }
    let own = |all: &str, id: u32| {
        if whole {
            let lines = fs::read_to_string(all).on(all)?;
            Ok::<_, Failure>(lines.lines().filter_map(identity_line).collect::<String>())
        } else {
            Ok(format!("0 {id} 1\n"))
        }
    };
    write_proc(pid, "uid_map", &own("/proc/self/uid_map", rustix::process::geteuid().as_raw())?)?;
    write_proc(pid, "gid_map", &own("/proc/self/gid_map", rustix::process::getegid().as_raw())?)
}

/// Turns a line of this process's map into one for a child namespace in which each ID keeps its number.
fn identity_line(line: &str) -> Option<String> {
    let mut columns = line.split_whitespace();
    let (inside, _, count) = (columns.next()?, columns.next()?, columns.next()?);
    Some(format!("{inside} {inside} {count}\n"))
}

fn write_proc(pid: u32, file: &str, text: &str) -> Result<(), Failure> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text).on(&path)
}

/// The name of a namespace, such as `mnt:[4026531841]`.
pub(crate) fn identify(pid: u32, kind: &str) -> Result<PathBuf, Failure> {
    let link = format!("/proc/{pid}/ns/{kind}");
    fs::read_link(&link).on(&link)
}

/// A process's namespaces, held open.
#[derive(Debug)]
pub(crate) struct Namespaces(Vec<(File, LinkNameSpaceType, PathBuf)>);

impl Namespaces {
    /// Opens the namespaces of process `pid` that this process is not in; the user namespace comes first, since it
    /// gives the power to join the others.
    pub(crate) fn of(pid: u32, kinds: &[(&str, LinkNameSpaceType)]) -> Result<Self, Failure> {
        let mut found = Vec::new();
        for &(kind, kind_of_link) in kinds {
            if identify(pid, kind)? != identify(std::process::id(), kind)? {
                let link = PathBuf::from(format!("/proc/{pid}/ns/{kind}"));
                found.push((File::open(&link).on(&link)?, kind_of_link, link));
            }
        }
        Ok(Self(found))
    }

    pub(crate) fn join(&self) -> Result<(), Failure> {
        for (file, kind, link) in &self.0 {
            rustix::thread::move_into_link_name_space(file.as_fd(), Some(*kind))
                .during(format_args!("joining {}", link.display()))?;
        }
        Ok(())
    }
}

/// Brings `lo` up, without which nothing listens on 127.0.0.1.
pub(crate) fn bring_loopback_up() -> Result<(), Failure> {
    const LENGTH: u32 = 32;
    const NEW_LINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    const LOOPBACK_INDEX: i32 = 1;
    const UP: u32 = 1;

    let mut message = Vec::with_capacity(LENGTH as usize);
    message.extend(LENGTH.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(LOOPBACK_INDEX.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());

    let step = "bringing the loopback interface up";
    // Without a protocol the family means NETLINK_ROUTE.
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).during(step)?;
    rustix::net::sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).during(step)?;
    let mut answer = [0; 64];
    rustix::net::recv(&socket, &mut answer, RecvFlags::empty()).during(step)?;
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(-code)).during(step),
    }
}

#[cfg(test)]
mod tests {
    use super::identity_line;

    #[test]
    fn an_id_keeps_its_number_one_namespace_further_down() {
        assert_eq!(identity_line("         0       1000          1").unwrap(), "0 0 1\n");
        assert_eq!(identity_line("").as_deref(), None);
    }
}
