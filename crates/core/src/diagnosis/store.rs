//! The outbox: whether it can be written, by whom it is held, and how much room there is.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::{Finding, Tell, locks};
use crate::config::Config;
use crate::outbox::{History, Since};
use crate::platform::rights::{Right, free_space, may};

const SUBJECT: &str = "outbox";
/// Bytes below which room is scarce: 100,000 events of some 1,000 bytes, and the log beside them.
const SCARCE: u64 = 128 << 20;
/// Bytes of a database's header, whose application ID stands at 68.
const HEADER: usize = 100;

/// Who has locked an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "there the kernel says it"))]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux says so"))]
pub(super) enum Holder {
    /// This process, now.
    Process(u32),
    /// This process, at last: it may have ended.
    Last(u32),
    Nobody,
}

pub(super) fn outbox(config: &Config, tell: Tell<'_>) {
    let Some(path) = config.outbox.file() else {
        return tell(Finding::warn(
            SUBJECT,
            "in memory: what waits for Redis ends with the daemon, and what is missed while it is down is not told",
            "give outbox.path (--outbox) a file",
        ));
    };
    // What the daemon makes beside the file, it makes where a link leads.
    let target = path.canonicalize();
    let path = target.as_deref().unwrap_or(path);
    let folder = existing(path);
    let place = "give outbox.path a place that this user may write to";
    if !folder.is_dir() {
        let found = format!("{}: {} is no folder", path.display(), folder.display());
        return tell(Finding::fail(SUBJECT, found, place));
    }
    if let Err(why) = writable(path, &folder) {
        return tell(Finding::fail(SUBJECT, format!("{}: {why}", path.display()), place));
    }
    if path.exists()
        && let Err(why) = readable(path)
    {
        return tell(Finding::fail(SUBJECT, why, "move it away, or choose another outbox.path"));
    }
    tell(Finding::ok(SUBJECT, held(path)));
    if let Ok(free) = free_space(&folder) {
        tell(room(free, &folder));
    }
}

/// Whether a daemon could use the file, and make or use what lies beside it.
fn writable(path: &Path, folder: &Path) -> Result<(), String> {
    let may = |path: &Path, right: Right, what: &str| {
        may(path, right).map_err(|error| format!("{} cannot be {what}: {error}", path.display()))
    };
    may(folder, Right::MakeFiles, "written")?;
    let beside = ["", ".lock", "-wal", "-shm"].map(|ending| beside(path, ending));
    beside
        .iter()
        .filter(|file| file.exists())
        .try_for_each(|file| may(file, Right::ReadAndWrite, "read and written"))
}

/// Whether it is an outbox of ours.
fn readable(path: &Path) -> Result<(), String> {
    let log = beside(path, "-wal");
    if log.exists() && beside(path, "-shm").exists() {
        return History::open(path, Since::Beginning).map(drop).map_err(|error| error.message);
    }
    // SQLite would make its log and index beside the file, and leave them there: so its header has to do.
    let refused = |why: &str| Err(format!("the outbox {} cannot be used: {why}", path.display()));
    let mut header = Vec::new();
    match File::open(path).and_then(|file| file.take(HEADER as u64).read_to_end(&mut header)) {
        Err(error) => refused(&error.to_string()),
        Ok(0) => Ok(()),
        Ok(_) if is_ours(&header) || logged(&log).is_ok_and(|header| is_ours(&header)) => Ok(()),
        Ok(_) => refused("it is no outbox"),
    }
}

fn is_ours(header: &[u8]) -> bool {
    header.starts_with(b"SQLite format 3\0") && header.get(68..72) == Some(b"AWUS")
}

/// The header that the log has for the file: a young one is in the log alone. SQLite's format: 32 bytes, then frames of 24
/// bytes, which begin with the page's number, and a page.
fn logged(log: &Path) -> io::Result<[u8; HEADER]> {
    let mut log = BufReader::new(File::open(log)?);
    let (mut head, mut frame, mut page) = ([0; 32], [0; 24], [0; HEADER]);
    log.read_exact(&mut head)?;
    let size = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    loop {
        log.read_exact(&mut frame)?;
        log.read_exact(&mut page)?;
        if frame.starts_with(&[0, 0, 0, 1]) {
            return Ok(page);
        }
        let rest = u64::from(size).checked_sub(HEADER as u64).and_then(|rest| i64::try_from(rest).ok());
        log.seek_relative(rest.ok_or(io::ErrorKind::InvalidData)?)?;
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
    match locks::holder(&beside(path, ".lock")) {
        Holder::Process(process) => format!("{path_shown}: a daemon has it, process {process}"),
        Holder::Last(process) => format!("{path_shown}: the last daemon that had it was process {process}"),
        Holder::Nobody if path.exists() => format!("{path_shown}: no daemon has it"),
        Holder::Nobody => format!("{path_shown}: will be made"),
    }
}

fn room(free: u64, folder: &Path) -> Finding {
    let found = format!("{} MiB are free in {}", free >> 20, folder.display());
    if free < SCARCE {
        Finding::warn(
            "room",
            found,
            "make room: 100,000 events take about 100 MiB, and what does not fit is not stored",
        )
    } else {
        Finding::ok("room", found)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::process::{Uid, geteuid};
    use rustix::thread::set_thread_uid;

    use super::*;
    use crate::diagnosis::Grade;
    use crate::outbox::Outbox;
    use crate::outbox::laws::{Folder, config};

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

    /// What a user without any privilege is told.
    fn told_nobody(path: &Path) -> Result<(), String> {
        let path = path.to_owned();
        let told = std::thread::spawn(move || {
            if geteuid().is_root() {
                set_thread_uid(Uid::from_raw(65534)).expect("another user");
            }
            writable(&path, path.parent().expect("a folder"))
        });
        told.join().expect("an answer")
    }

    #[test]
    fn what_the_daemon_makes_and_uses_beside_the_file_has_to_be_writable() {
        let folder = Folder::new();
        let allow = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).expect("allowed");
        let file = folder.file();
        std::fs::write(&file, "").expect("a file");
        allow(&file, 0o666);
        allow(&folder.0, 0o777);
        assert_eq!(told_nobody(&file), Ok(()));
        for ending in [".lock", "-wal", "-shm"] {
            let other = beside(&file, ending);
            std::fs::write(&other, "").expect("a file");
            allow(&other, 0o444);
            let why = told_nobody(&file).expect_err(ending);
            assert!(why.starts_with(&format!("{} cannot be read and written", other.display())), "{why}");
            std::fs::remove_file(&other).expect("removed");
        }
        for mode in [0o555, 0o666] {
            allow(&folder.0, mode);
            let why = told_nobody(&file).expect_err("a folder");
            assert!(why.starts_with(&format!("{} cannot be written", folder.0.display())), "{why}");
        }
        allow(&folder.0, 0o777);
    }

    #[test]
    fn a_log_without_an_index_gets_none_by_being_looked_at() {
        let folder = Folder::new();
        let outbox = Outbox::open(&config(folder.file()), true, "test", "boot").expect("new").outbox;
        let copy = folder.0.join("copy.db");
        for ending in ["", "-wal"] {
            std::fs::copy(beside(&folder.file(), ending), beside(&copy, ending)).expect("copied");
        }
        assert_eq!(readable(&copy), Ok(()));
        assert!(!beside(&copy, "-shm").exists());
        drop(outbox);
        // The log alone knows that this one is ours.
        std::fs::write(&copy, [b"SQLite format 3\0".as_slice(), &[0; 100]].concat()).expect("written");
        assert_eq!(readable(&copy), Ok(()));
        std::fs::remove_file(beside(&copy, "-wal")).expect("removed");
        assert!(readable(&copy).is_err());
    }

    #[test]
    fn little_room_is_said() {
        assert_eq!(room(SCARCE - 1, Path::new("/")).grade, Grade::Warn);
        assert_eq!(room(SCARCE, Path::new("/")).grade, Grade::Ok);
    }
}
