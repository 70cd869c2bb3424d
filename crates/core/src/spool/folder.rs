//! The folder: which records wait, and what each one says.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::{Errno, read, retry_on_intr};

use super::record::{LARGEST, Record};
use super::{Bad, Listing, Unread};

/// The helper writes no more records than this; further ones are looked at the next time.
const MOST: usize = 10_000;
/// So many names are kept of one look.
const MOST_NAMES: usize = 4 * MOST;
const SUFFIX: &str = ".event";
const DIGITS: usize = 20;
const NOT_REGULAR: &str = "it is no regular file";

/// A folder of records.
#[derive(Clone, Debug)]
pub struct Spool {
    path: PathBuf,
}

impl Spool {
    /// The spool at `path`, which need not be there.
    #[expect(clippy::unnecessary_wraps, reason = "other systems have none")]
    pub fn at(path: &Path) -> Option<Self> {
        Some(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all records but those whose number is `known`.
    ///
    /// # Errors
    /// Where the folder is not there or cannot be read.
    pub fn read(&self, known: impl Fn(u64) -> bool) -> io::Result<Listing> {
        let folder = open(&self.path)?;
        let mut listing = Listing::default();
        let mut found = Vec::new();
        let (names, has_more) = names(&folder, MOST_NAMES)?;
        listing.has_more = has_more;
        for name in names {
            match number(&name) {
                Named::Record(seqnum) if known(seqnum) => listing.passed_over.push(seqnum),
                Named::Record(seqnum) => found.push((seqnum, name)),
                Named::Misnamed => {
                    listing.bad.push(refuse(&folder, &name, "its name is not that of a record".to_owned()));
                }
                Named::Other => {}
            }
        }
        found.sort_unstable();
        listing.has_more |= found.len() > MOST;
        found.truncate(MOST);
        for (seqnum, name) in found {
            let parse = |bytes: Vec<u8>| {
                Record::parse(seqnum, &bytes).map_err(|error| Refusal::NoRecord(error.to_string()))
            };
            match read_file(&folder, &name).and_then(parse) {
                Ok(record) => listing.records.push(record),
                // Somebody else has taken it.
                Err(Refusal::Gone) => {}
                Err(Refusal::NoRecord(why)) => listing.bad.push(refuse(&folder, &name, why)),
                Err(Refusal::Unread(why)) => listing.unread.push(Unread { name: shown(&name), why }),
            }
        }
        Ok(listing)
    }

    /// Removes these records. What cannot be removed is found again.
    ///
    /// # Errors
    /// Where the folder cannot be opened, or the first of them that cannot be removed.
    pub fn remove(&self, seqnums: impl IntoIterator<Item = u64>) -> io::Result<()> {
        let mut seqnums = seqnums.into_iter().peekable();
        if seqnums.peek().is_none() {
            return Ok(());
        }
        let folder = open(&self.path)?;
        let mut refused = Ok(());
        for seqnum in seqnums {
            match unlinkat(&folder, format!("{seqnum:0DIGITS$}{SUFFIX}"), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => refused = refused.and(Err(error.into())),
            }
        }
        refused
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

/// How many records wait in the folder at `path`.
///
/// # Errors
/// Where the folder is not there or cannot be read.
pub fn waiting(path: &Path) -> io::Result<usize> {
    let (names, _) = names(&open(path)?, MOST_NAMES)?;
    Ok(names.iter().filter(|name| matches!(number(name), Named::Record(_))).count())
}

/// Names of what claims to be a record, and whether there are more: whoever is in the group may have made any number of them.
fn names(folder: &OwnedFd, most: usize) -> io::Result<(Vec<Vec<u8>>, bool)> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(number(name), Named::Other) {
            continue;
        }
        if names.len() == most {
            return Ok((names, true));
        }
        names.push(name.to_vec());
    }
    Ok((names, false))
}

enum Named {
    Record(u64),
    /// It claims to be one.
    Misnamed,
    /// One that is still being written, or something that is none of ours.
    Other,
}

fn number(name: &[u8]) -> Named {
    let Some(digits) = name.strip_suffix(SUFFIX.as_bytes()).filter(|digits| !digits.starts_with(b".")) else {
        return Named::Other;
    };
    let text = std::str::from_utf8(digits).ok();
    let digits = text.filter(|text| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).map_or(Named::Misnamed, Named::Record)
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Gone,
    /// It has been looked at, and is none.
    NoRecord(String),
    /// Not its fault, as far as is known.
    Unread(String),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::Gone,
            Errno::LOOP => Self::NoRecord("it is a link".to_owned()),
            // So says the opening of a socket.
            Errno::NXIO => Self::NoRecord(NOT_REGULAR.to_owned()),
            error => Self::Unread(io::Error::from(error).to_string()),
        }
    }
}

fn read_file(folder: &OwnedFd, name: &[u8]) -> Result<Vec<u8>, Refusal> {
    // A pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(folder, OsStr::from_bytes(name), flags, Mode::empty())?;
    let status = fstat(&file)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Refusal::NoRecord(NOT_REGULAR.to_owned()));
    }
    let mut bytes = vec![0; LARGEST + 1];
    let mut length = 0;
    while length < bytes.len() {
        match retry_on_intr(|| read(file.as_fd(), &mut bytes[length..]))? {
            0 => break,
            count => length += count,
        }
    }
    if length > LARGEST {
        return Err(Refusal::NoRecord(format!("it is larger than {LARGEST} bytes")));
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn refuse(folder: &OwnedFd, name: &[u8], why: String) -> Bad {
    let removed = unlinkat(folder, OsStr::from_bytes(name), AtFlags::empty()).is_ok();
    Bad { name: shown(name), why, removed }
}

fn shown(name: &[u8]) -> String {
    crate::error::shown(&String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::outbox::laws::Folder;
    use crate::spool::record::tests::TEXT;

    fn name(seqnum: u64) -> String {
        format!("{seqnum:020}.event")
    }

    fn write(folder: &Folder, seqnum: u64) {
        let text = TEXT.replace("SEQNUM=4711", &format!("SEQNUM={seqnum}"));
        fs::write(folder.0.join(name(seqnum)), text).expect("written");
    }

    #[test]
    fn records_come_in_the_kernels_order_and_those_that_are_known_are_not_read() {
        let folder = Folder::new();
        for seqnum in [12, 9, 100, 7] {
            write(&folder, seqnum);
        }
        fs::write(folder.0.join(".00000000000000000013.77"), "half").expect("written");
        let spool = Spool::at(&folder.0).expect("a spool");
        assert_eq!(waiting(&folder.0).expect("a count"), 4);
        let listing = spool.read(|seqnum| seqnum == 9).expect("a listing");
        assert_eq!(listing.records.iter().map(|record| record.seqnum).collect::<Vec<_>>(), [7, 12, 100]);
        assert_eq!((listing.passed_over, listing.bad), (vec![9], vec![]));
        spool.remove([7, 9, 8]).expect("removed, or not there");
        assert_eq!(waiting(&folder.0).expect("a count"), 2);
        assert!(spool.read(|_| true).expect("a listing").records.is_empty());
    }

    #[test]
    fn what_is_no_record_is_named_and_removed_and_never_followed_or_waited_for() {
        let folder = Folder::new();
        let secret = folder.0.join("secret");
        fs::write(&secret, TEXT).expect("written");
        symlink(&secret, folder.0.join(name(4711))).expect("a link");
        rustix::fs::mknodat(CWD, folder.0.join(name(1)), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("a pipe");
        fs::create_dir(folder.0.join(name(2))).expect("a folder");
        fs::write(folder.0.join(name(3)), vec![b'x'; LARGEST + 1]).expect("written");
        fs::write(folder.0.join(name(4)), "").expect("written");
        fs::write(folder.0.join("5.event"), TEXT).expect("written");
        let listing = Spool::at(&folder.0).expect("a spool").read(|_| false).expect("a listing");
        assert_eq!(listing.records, []);
        let bad: Vec<(&str, bool)> = listing.bad.iter().map(|bad| (bad.why.as_str(), bad.removed)).collect();
        assert_eq!(
            bad,
            [
                ("its name is not that of a record", true),
                ("it is no regular file", true),
                ("it is no regular file", false),
                ("it is larger than 16384 bytes", true),
                ("it lacks VERSION", true),
                ("it is a link", true),
            ]
        );
        assert!(secret.exists(), "what a link leads to is left alone");
    }

    #[test]
    fn what_cannot_be_read_is_left_alone_whatever_it_is() {
        for error in [Errno::ACCESS, Errno::PERM, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::IO] {
            assert!(matches!(Refusal::from(error), Refusal::Unread(_)), "{error}");
        }
        assert_eq!(Refusal::from(Errno::NOENT), Refusal::Gone);
        let folder = Folder::new();
        let _socket = std::os::unix::net::UnixDatagram::bind(folder.0.join(name(1))).expect("a socket");
        let listing = Spool::at(&folder.0).expect("a spool").read(|_| false).expect("a listing");
        assert_eq!((listing.bad[0].why.as_str(), listing.bad[0].removed), (NOT_REGULAR, true));
    }

    #[test]
    fn other_files_do_not_hide_records_and_what_is_beyond_the_bound_is_said() {
        let folder = Folder::new();
        for other in 0..50 {
            fs::write(folder.0.join(format!("other-{other}")), "").expect("written");
        }
        for seqnum in 1..=3 {
            write(&folder, seqnum);
        }
        let open = super::open(&folder.0).expect("opened");
        let (found, has_more) = names(&open, 3).expect("names");
        assert_eq!((found.len(), has_more), (3, false));
        let (found, has_more) = names(&open, 2).expect("names");
        assert_eq!((found.len(), has_more), (2, true));
    }

    #[test]
    fn a_folder_that_is_a_link_is_none() {
        let folder = Folder::new();
        let link = folder.0.join("spool");
        symlink(&folder.0, &link).expect("a link");
        assert!(Spool::at(&link).expect("a spool").read(|_| false).is_err());
    }
}
