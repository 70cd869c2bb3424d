//! Files with the rights of their folder (a user's own folders are that user's), and a lock that ends with its process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;

use windows_sys::Win32::Foundation::ERROR_SHARING_VIOLATION;
use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_READ;

/// Why there is no lock.
pub(crate) enum Refusal {
    /// The process with this number has it, as far as it has said so.
    Held(String),
    /// The file of the lock cannot be had.
    NoFile(io::Error),
    /// It cannot be locked. Here whoever can open it for writing has locked it.
    #[expect(dead_code, reason = "other systems lock in a second step")]
    NoLock(io::Error),
}

/// Makes a folder, and those above it.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Makes a file where there is none.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path).map(drop)
}

/// Whether a process has this lock: who asks has it for an instant. No file, no lock.
pub(crate) fn is_locked(path: &Path) -> bool {
    OpenOptions::new()
        .write(true)
        .share_mode(FILE_SHARE_READ)
        .open(path)
        .is_err_and(|error| is_refusal(&error))
}

/// Locks by way of this file, in which our process's number stands for whoever comes second: the system lets nobody else open it
/// for writing as long as we have it open, and everybody read it. (A lock of bytes would keep readers away, too.)
pub(crate) fn lock(path: &Path) -> Result<File, Refusal> {
    let opened =
        OpenOptions::new().create(true).truncate(true).write(true).share_mode(FILE_SHARE_READ).open(path);
    match opened {
        Ok(mut file) => {
            // What is written there is for people; the lock itself holds without.
            let _ = writeln!(file, "{}", std::process::id());
            Ok(file)
        }
        Err(error) if is_refusal(&error) => {
            let holder = fs::read_to_string(path).unwrap_or_default();
            Err(Refusal::Held(holder.trim().to_owned()))
        }
        Err(error) => Err(Refusal::NoFile(error)),
    }
}

/// Whether somebody has the file open who lets nobody else write.
fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_SHARING_VIOLATION.cast_signed())
}
