//! Attributes and links of a folder, each by its path: for who reads one or two of them. Who reads more of one device than that reads
//! them through the open directory (`attribute`), where another one cannot take its place meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr;

/// A text attribute, without what is around it.
pub(crate) fn attribute(folder: &Path, file: &str) -> Option<String> {
    Some(fs::read_to_string(folder.join(file)).ok()?.trim().to_owned())
}

/// A decimal one.
pub(crate) fn number<T: FromStr>(folder: &Path, file: &str) -> Option<T> {
    attribute(folder, file)?.parse().ok()
}

/// A hexadecimal one, as those of descriptors are.
pub(crate) fn hex<T: TryFrom<u32>>(folder: &Path, file: &str) -> Option<T> {
    u32::from_str_radix(&attribute(folder, file)?, 16).ok()?.try_into().ok()
}

/// What tells the device in this folder from another one that comes to be there: sysfs gives each but once.
pub(crate) fn inode(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|metadata| metadata.ino())
}

/// The name of what this link leads to, as `driver` and `subsystem` do.
pub(crate) fn link_name(link: &Path) -> Option<String> {
    Some(link.read_link().ok()?.file_name()?.to_str()?.to_owned())
}
