//! What this user may do with files, found without doing it.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Right {
    /// In a folder.
    MakeFiles,
    ReadAndWrite,
}

/// # Errors
/// Where this user may not. By effective rights, as opening goes.
pub(crate) fn may(path: &Path, right: Right) -> io::Result<()> {
    let access = match right {
        Right::MakeFiles => Access::WRITE_OK | Access::EXEC_OK,
        Right::ReadAndWrite => Access::READ_OK | Access::WRITE_OK,
    };
    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}

/// Bytes that this user may still write in this folder.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let space = statvfs(folder)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}
