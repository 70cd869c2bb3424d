//! What this user may do with files, found without doing it.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Right {
    /// In a folder. Access lists cannot be judged without trying, so this is believed.
    MakeFiles,
    ReadAndWrite,
}

/// # Errors
/// Where this user may not.
pub(crate) fn may(path: &Path, right: Right) -> io::Result<()> {
    match right {
        Right::MakeFiles => path.metadata().map(drop),
        // Of a file that is there, opening changes nothing. One that a daemon keeps to itself is not looked at.
        Right::ReadAndWrite if path.extension().is_some_and(|ending| ending == "lock") => Ok(()),
        Right::ReadAndWrite => OpenOptions::new().read(true).write(true).open(path).map(drop),
    }
}

/// Bytes that this user may still write in this folder.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    fs4::available_space(folder)
}
