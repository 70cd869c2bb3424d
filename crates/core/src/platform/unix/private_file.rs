//! Files for their owner and group, and a lock that ends with its process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Why there is no lock.
pub(crate) enum Refusal {
    /// The process with this number has it, as far as it has said so.
    Held(String),
    /// The file of the lock cannot be had.
    NoFile(io::Error),
    /// It cannot be locked.
    NoLock(io::Error),
}

/// Makes a folder, and those above it.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(folder)
}

/// Makes a file where there is none.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path).map(drop)
}

/// Whether a process has this lock: who asks has it for an instant. No file, no lock.
pub(crate) fn is_locked(path: &Path) -> bool {
    File::open(path)
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK))
}

/// Locks by way of this file, in which our process's number stands for whoever comes second. The lock lasts as long as the file is
/// open.
pub(crate) fn lock(path: &Path) -> Result<File, Refusal> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o640)
        .open(path)
        .map_err(Refusal::NoFile)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let number = holder.lines().next().unwrap_or_default();
            return Err(Refusal::Held(number.trim().to_owned()));
        }
        Err(error) => return Err(Refusal::NoLock(error.into())),
    }
    // What is written there is for people; the lock itself holds without.
    if sign(&mut file).is_err() {
        // Better nobody than another one.
        let _ = file.set_len(0);
    }
    Ok(file)
}

/// Puts our process's number in the place of another one's, which is as long: to cut a file whose last content is on its way to the disk is to
/// wait for that.
fn sign(file: &mut File) -> io::Result<()> {
    file.write_all(format!("{:<10}\n", std::process::id()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_lock_is_named_and_nothing_else_whatever_stood_there() {
        let formers = ["", "7\n", "7         \n", "123456789012345\n", "1\n2\n3\n4\n5\n6\n7\n8\n"];
        for (at, former) in formers.into_iter().enumerate() {
            // Whoever is being forked elsewhere meanwhile has a lock for a moment longer.
            let path = std::env::temp_dir().join(format!("usb-daemon-lock-{}-{at}", std::process::id()));
            std::fs::write(&path, former).expect("written");
            let Ok(_lock) = lock(&path) else { panic!("no lock") };
            let Err(Refusal::Held(holder)) = lock(&path) else { panic!("a second lock") };
            std::fs::remove_file(&path).expect("removed");
            assert_eq!(holder, std::process::id().to_string());
        }
    }
}
