//! What root allows to be asked for: requests, in which `*` stands for any one word behind the first.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::request::{Request, words};
use crate::error::{Code, Error};

/// More than anybody allows. What is longer is not read in part: its last line could be another one.
const LARGEST_FILE: usize = 64 << 10;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A list that has been read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowList(Vec<Vec<String>>);

impl AllowList {
    /// Reads the file, which only its `owner` may be able to change: root, where root is who carries it out.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` where it is not there, too long, others may change it, or a line is no request.
    pub(crate) fn read(path: &Path, owner: u32) -> Result<Self, Error> {
        let bad = |why: String| Error::new(Code::Config, format!("{}: {why}", path.display()));
        let failed = |error: std::io::Error| bad(error.to_string());
        // A link may lead to what somebody else can change, and to open a pipe is to wait for whoever writes to it.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).custom_flags(flags).open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() || found.uid() != owner || found.mode() & WRITABLE_BY_OTHERS != 0 {
            let of = if owner == 0 { "root".to_owned() } else { format!("user {owner}") };
            return Err(bad(format!(
                "expected a file that belongs to {of} and that nobody else can write to"
            )));
        }
        let mut text = Vec::new();
        file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() > LARGEST_FILE {
            return Err(bad(format!("longer than {LARGEST_FILE} bytes: expected fewer or shorter lines")));
        }
        let text = std::str::from_utf8(&text).map_err(|error| bad(format!("expected text: {error}")))?;
        Self::parse(text).map_err(bad)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).zip(1..);
        let rules = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let read = |(line, number): (&str, u32)| {
            let words = words(line, |word| word == "*").map_err(|why| format!("line {number}: {why}"))?;
            Ok(words.into_iter().map(str::to_owned).collect())
        };
        rules.map(read).collect::<Result<_, String>>().map(Self)
    }

    /// Whether a line of it is this request.
    pub(crate) fn allows(&self, request: &Request) -> bool {
        let request = request.to_string();
        let words: Vec<&str> = request.split(' ').collect();
        let fits = |allowed: &Vec<String>| {
            allowed.len() == words.len()
                && allowed.iter().zip(&words).all(|(allowed, word)| allowed == "*" || allowed == word)
        };
        self.0.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn allows(list: &str, request: &str) -> bool {
        AllowList::parse(list).expect(list).allows(&Request::parse(request).expect(request))
    }

    #[test]
    fn what_no_line_says_is_not_allowed() {
        let list = "# serial adapters\nmodule usbserial\nnew-id generic 1209 *\n\nbind generic *\n";
        for (request, allowed) in [
            ("module usbserial", true),
            ("module usbserial2", false),
            ("module evil", false),
            ("new-id generic 1209 dead", true),
            ("new-id generic 1d6b dead", false),
            ("new-id ftdi_sio 1209 dead", false),
            ("bind generic 1-1:1.0", true),
            ("authorize 1-1 0", false),
            ("modalias 1-1:1.0", false),
        ] {
            assert_eq!(allows(list, request), allowed, "{request}");
        }
        assert!(!allows("", "module usbserial"), "an empty list allows nothing");
        assert!(!allows("authorize * 0", "authorize 1-1 1"));
    }

    #[test]
    fn a_line_that_is_no_request_is_named() {
        for (list, expected) in [
            ("module x\n* x", "line 2: expected module, modalias"),
            ("module", "line 1: module is followed by one word"),
            ("module us*", "line 1: word 1 behind module"),
        ] {
            let fault = AllowList::parse(list).expect_err(list);
            assert!(fault.starts_with(expected), "{fault}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_not_believed_in_part() {
        let path = std::env::temp_dir().join(format!("usb-daemon-long-allow-{}", std::process::id()));
        // Its last line, cut off, would be another one that is good.
        let end = "\nmodule usbserial";
        let of = |length: usize| format!("{}{end}", "#".repeat(length - end.len()));
        fs::write(&path, of(LARGEST_FILE)).expect("written");
        let owner = fs::metadata(&path).expect("there").uid();
        let longest = AllowList::read(&path, owner).map_err(|error| error.message);
        fs::write(&path, of(LARGEST_FILE + 1)).expect("written");
        let longer = AllowList::read(&path, owner).map_err(|error| error.message);
        fs::remove_file(&path).expect("removed");
        assert_eq!(longest, AllowList::parse("module usbserial"));
        assert!(longer.expect_err("too long").contains("longer than 65536 bytes"));
    }

    #[test]
    fn a_file_that_others_can_change_is_not_believed() {
        let folder = std::env::temp_dir().join(format!("usb-daemon-allow-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (path, link) = (folder.join("list"), folder.join("link"));
        fs::write(&path, "module x\n").expect("written");
        symlink(&path, &link).expect("a link");
        let owner = fs::metadata(&path).expect("there").uid();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        mode(0o644);
        let read = AllowList::read(&path, owner).map_err(|error| error.message);
        let through_link = AllowList::read(&link, owner).is_ok();
        let of_another = AllowList::read(&path, owner + 1).expect_err("another's").message;
        let folders = AllowList::read(&folder, owner).is_ok();
        mode(0o664);
        let of_group = AllowList::read(&path, owner).is_ok();
        mode(0o646);
        let of_all = AllowList::read(&path, owner).is_ok();
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(read, AllowList::parse("module x").map_err(|_| String::new()));
        assert!(of_another.contains("expected a file that belongs to"), "{of_another}");
        assert_eq!([through_link, folders, of_group, of_all], [false; 4]);
    }
}
