//! What a look into the folder has found.

use super::Record;

/// What a look has found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Records that were asked for, in the kernel's order.
    pub records: Vec<Record>,
    /// Numbers of those that were not.
    pub passed_over: Vec<u64>,
    /// Files that are no records, and have been removed where that was possible.
    pub bad: Vec<Bad>,
    /// Files that could not be read, and may be records.
    pub unread: Vec<Unread>,
    /// There are more, which were not looked at.
    pub has_more: bool,
}

/// A file that is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Its name, ready to be shown.
    pub name: String,
    /// Why it is none.
    pub why: String,
    /// Whether it has been removed.
    pub removed: bool,
}

/// A file that could not be read. It is left where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its name, ready to be shown.
    pub name: String,
    /// Why it could not.
    pub why: String,
}
