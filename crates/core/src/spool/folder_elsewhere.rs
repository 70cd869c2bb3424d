//! The folder where there is no udev, and so nobody who would write there: there is none.

use std::io;
use std::path::{Path, PathBuf};

use super::Listing;

/// A folder of records, which is never had.
#[derive(Clone, Debug)]
pub struct Spool {
    path: PathBuf,
}

impl Spool {
    /// None, whatever stands at `path`.
    pub fn at(_: &Path) -> Option<Self> {
        None
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// Always.
    pub fn read(&self, _: impl Fn(u64) -> bool) -> io::Result<Listing> {
        Err(io::ErrorKind::NotFound.into())
    }

    /// # Errors
    /// None: there is nothing to remove.
    pub fn remove(&self, _: impl IntoIterator<Item = u64>) -> io::Result<()> {
        Ok(())
    }
}

/// # Errors
/// Always.
pub fn waiting(_: &Path) -> io::Result<usize> {
    Err(io::ErrorKind::NotFound.into())
}
