//! Who holds a lock: looked up and not tried, because a lock held for an instant would drive away a daemon that starts just
//! then.

use std::fs::{metadata, read_to_string};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, major, minor, statx};

use super::store::Holder;

/// Which file system: the kernel's two numbers for it.
type Device = (u32, u32);

/// Who has locked this file.
pub(super) fn holder(path: &Path) -> Holder {
    process(path).map_or(Holder::Nobody, Holder::Process)
}

fn process(path: &Path) -> Option<u32> {
    let inode = metadata(path).ok()?.ino();
    find(&read_to_string("/proc/locks").ok()?, device(path)?, inode)
}

/// The number of an inode comes again on each file system, so it says nothing without the device.
///
/// `1: FLOCK  ADVISORY  WRITE 1234 fd:01:56789 0 EOF`, the device in hex.
fn find(locks: &str, device: Device, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = fields[..] else { return None };
        let mut place = place.split(':');
        let mut hex = || u32::from_str_radix(place.next()?, 16).ok();
        let found = ((hex()?, hex()?), place.next()?.parse().ok()?);
        (found == (device, inode)).then(|| process.parse().ok())?
    })
}

/// The device as locks name it, which is that of the mount: what `stat` says is another number on btrfs.
fn device(path: &Path) -> Option<Device> {
    let mount = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)
        .ok()
        .filter(|found| StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID));
    let mounted =
        mount.and_then(|found| of_mount(&read_to_string("/proc/self/mountinfo").ok()?, found.stx_mnt_id));
    mounted.or_else(|| {
        let device = metadata(path).ok()?.dev();
        Some((major(device), minor(device)))
    })
}

/// `36 25 254:1 / /var rw - ext4 /dev/vda1 rw`, the device in decimal.
fn of_mount(mounts: &str, id: u64) -> Option<Device> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        if fields.next()?.parse() != Ok(id) {
            return None;
        }
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use rustix::fs::{FlockOperation, flock};

    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found_by_device_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fd:01:77 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 12 fd:01:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 00:2a:77 0 EOF\n4: FLOCK  ADVISORY  WRITE 14 fd:01:77 0 EOF\n\
                     5: FLOCK  ADVISORY  READ 15 fd:01:78 0 EOF\n";
        assert_eq!(
            find(locks, (0xfd, 1), 77),
            Some(14),
            "no POSIX lock, nobody who waits, no other file system"
        );
        assert_eq!(find(locks, (0, 0x2a), 77), Some(13));
        assert_eq!(find(locks, (0, 0x2b), 77), None);
        assert_eq!(find(locks, (0xfd, 1), 78), None);
        assert_eq!(find("", (0xfd, 1), 77), None);
    }

    #[test]
    fn a_mount_says_its_device() {
        let mounts =
            "25 1 254:1 / / rw - ext4 /dev/vda1 rw\n125 25 0:42 / /run rw shared:2 - tmpfs tmpfs rw\n";
        assert_eq!((of_mount(mounts, 25), of_mount(mounts, 125)), (Some((254, 1)), Some((0, 42))));
        assert_eq!(of_mount(mounts, 5), None);
    }

    #[test]
    fn the_kernel_says_who_it_is_on_each_file_system() {
        let folders = [std::env::temp_dir(), "/dev/shm".into()];
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            let path = folder.join(format!("usb-daemon-locks-{}", std::process::id()));
            let file = File::create(&path).expect("a file");
            let before = process(&path);
            flock(&file, FlockOperation::NonBlockingLockExclusive).expect("a lock");
            let held = process(&path);
            std::fs::remove_file(&path).expect("removed");
            assert_eq!((before, held), (None, Some(std::process::id())), "{}", folder.display());
        }
    }
}
