//! The outbox: whether it can be written, by whom it is held, and how much room there is.

use std::fs::{File, metadata, read_to_string};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};

use super::{Finding, Tell};
use crate::config::Config;
use crate::outbox::{History, Since};

const SUBJECT: &str = "outbox";
/// Bytes below which room is scarce: 100,000 events of some 600 bytes, and the log beside them.
const SCARCE: u64 = 128 << 20;
/// Bytes of a database's header, whose application ID stands at 68.
const HEADER: u64 = 100;

pub(super) fn outbox(config: &Config, tell: Tell<'_>) {
    let Some(path) = config.outbox.file() else {
        return tell(Finding::warn(
            SUBJECT,
            "in memory: what waits for Redis ends with the daemon, and what is missed while it is down is not told",
            "give outbox.path (--outbox) a file",
        ));
    };
    let folder = existing(path);
    if !folder.is_dir() {
        let found = format!("{}: {} is no folder", path.display(), folder.display());
        return tell(Finding::fail(SUBJECT, found, "give outbox.path a place that this user may write to"));
    }
    let target = if path.exists() { path } else { folder.as_path() };
    // By effective rights, as writing goes.
    if let Err(error) = accessat(CWD, target, Access::WRITE_OK, AtFlags::EACCESS) {
        let found = format!("{}: {} cannot be written: {error}", path.display(), target.display());
        return tell(Finding::fail(SUBJECT, found, "give outbox.path a place that this user may write to"));
    }
    if path.exists()
        && let Err(why) = readable(path)
    {
        return tell(Finding::fail(SUBJECT, why, "move it away, or choose another outbox.path"));
    }
    tell(Finding::ok(SUBJECT, held(path)));
    if let Ok(space) = statvfs(&folder) {
        tell(room(space.f_bavail.saturating_mul(space.f_frsize), &folder));
    }
}

/// Whether it is an outbox of ours.
fn readable(path: &Path) -> Result<(), String> {
    if beside(path, "-wal").exists() {
        return History::open(path, Since::Beginning).map(drop).map_err(|error| error.message);
    }
    // SQLite would make its log and index beside the file, and leave them there: so its header has to do.
    let refused = |why: &str| Err(format!("the outbox {} cannot be used: {why}", path.display()));
    let mut header = Vec::new();
    match File::open(path).and_then(|file| file.take(HEADER).read_to_end(&mut header)) {
        Err(error) => refused(&error.to_string()),
        Ok(0) => Ok(()),
        Ok(_) if header.starts_with(b"SQLite format 3\0") && header.get(68..72) == Some(b"AWUS") => Ok(()),
        Ok(_) => refused("it is no outbox"),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The nearest folder above `path` that is there.
fn existing(path: &Path) -> PathBuf {
    let folder = path.ancestors().skip(1).find(|folder| folder.exists());
    folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn held(path: &Path) -> String {
    let path_shown = path.display();
    let holder = metadata(beside(path, ".lock")).ok().and_then(|lock| {
        // Looked up and not tried: a lock held for an instant would drive away a daemon that starts just then.
        holder(&read_to_string("/proc/locks").ok()?, lock.ino())
    });
    match holder {
        Some(process) => format!("{path_shown}: a daemon has it, process {process}"),
        None if path.exists() => format!("{path_shown}: no daemon has it"),
        None => format!("{path_shown}: will be made"),
    }
}

/// `1: FLOCK  ADVISORY  WRITE 1234 fd:01:56789 0 EOF`
fn holder(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = fields[..] else { return None };
        (place.rsplit(':').next()?.parse() == Ok(inode)).then(|| process.parse().ok())?
    })
}

fn room(free: u64, folder: &Path) -> Finding {
    let found = format!("{} MiB are free in {}", free >> 20, folder.display());
    if free < SCARCE {
        Finding::warn(
            "room",
            found,
            "make room: 100,000 events take about 60 MiB, and what does not fit is not stored",
        )
    } else {
        Finding::ok("room", found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Grade;

    #[test]
    fn the_holder_of_a_lock_is_found_by_its_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fd:01:77 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 12 fd:01:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 fd:01:77 0 EOF\n4: FLOCK  ADVISORY  READ 14 fd:01:78 0 EOF\n";
        assert_eq!(holder(locks, 77), Some(13), "neither a POSIX lock nor somebody who waits");
        assert_eq!(holder(locks, 78), None);
        assert_eq!(holder("", 77), None);
    }

    #[test]
    fn the_folder_that_counts_is_the_nearest_that_is_there() {
        assert_eq!(existing(Path::new("/tmp/no/such/folder/outbox.db")), Path::new("/tmp"));
        assert_eq!(existing(Path::new("outbox.db")), Path::new("."));
    }

    #[test]
    fn a_file_is_told_from_an_outbox_without_leaving_anything_beside_it() {
        let folder = std::env::temp_dir().join(format!("usb-daemon-store-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut ours = [0; 100];
        ours[..16].copy_from_slice(b"SQLite format 3\0");
        ours[68..72].copy_from_slice(b"AWUS");
        let mut foreign = ours;
        foreign[68] = 0;
        for (name, content, expected) in [
            ("ours", &ours[..], true),
            ("empty", &[], true),
            ("foreign", &foreign, false),
            ("short", b"SQLite", false),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, content).expect("a file");
            assert_eq!(readable(&path).is_ok(), expected, "{name}");
        }
        let left = folder.read_dir().expect("a listing").count();
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(left, 4);
    }

    #[test]
    fn little_room_is_said() {
        assert_eq!(room(SCARCE - 1, Path::new("/")).grade, Grade::Warn);
        assert_eq!(room(SCARCE, Path::new("/")).grade, Grade::Ok);
    }
}
