//! What is laid over the file system: empty buses and devices in sysfs, and a `/dev` of the bed's own.
//!
//! `/sys` itself stays the real sysfs, since libusb asks statfs for its magic. All of `/dev` is replaced: on a machine
//! without USB there is no `/dev/bus/usb` to mount on, and making one would leak into the real devtmpfs.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags};

use crate::failure::{Failure, While};

const KEPT_OF_DEV: &[&str] = &[
    "fd",
    "full",
    "fuse",
    "hugepages",
    "kmsg",
    "kvm",
    "log",
    "mqueue",
    "net",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "urandom",
    "zero",
];

/// Makes this mount namespace the bed's; nothing of it shows outside.
pub(crate) fn lay() -> Result<(), Failure> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .during("making mounts private")?;
    replace(Path::new("/sys/bus"), &[])?;
    replace(Path::new("/sys/devices"), &["system"])?;
    replace(Path::new("/dev"), KEPT_OF_DEV)
}

/// Gives programs that use libudev what they look for before they trust a udevd to be there.
pub(crate) fn pretend_udevd() -> Result<(), Failure> {
    let run = Path::new("/run");
    let names: Vec<String> = fs::read_dir(run)
        .on(run)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name != "udev")
        .collect();
    replace(run, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let control = run.join("udev/control");
    fs::create_dir_all(run.join("udev/data")).on(run)?;
    fs::write(&control, []).on(&control)
}

enum Kept {
    Link(PathBuf),
    Tree { clone: OwnedFd, is_directory: bool },
}

/// Lays a tmpfs over a directory and carries `names` across, as far as they exist.
fn replace(directory: &Path, names: &[&str]) -> Result<(), Failure> {
    let mut kept = Vec::new();
    for name in names {
        let path = directory.join(name);
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let what = if metadata.is_symlink() {
            Kept::Link(fs::read_link(&path).on(&path)?)
        } else {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            let clone = rustix::mount::open_tree(CWD, &path, flags).on(&path)?;
            Kept::Tree { clone, is_directory: metadata.is_dir() }
        };
        kept.push((path, what));
    }
    rustix::mount::mount("usb-bed", directory, "tmpfs", MountFlags::NOSUID, c"mode=755").on(directory)?;
    for (path, what) in kept {
        put_back(&path, what).on(&path)?;
    }
    Ok(())
}

fn put_back(path: &Path, what: Kept) -> std::io::Result<()> {
    match what {
        Kept::Link(target) => std::os::unix::fs::symlink(target, path),
        Kept::Tree { clone, is_directory } => {
            if is_directory {
                fs::create_dir(path)?;
            } else {
                fs::write(path, [])?;
            }
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            Ok(rustix::mount::move_mount(&clone, "", CWD, path, flags)?)
        }
    }
}
