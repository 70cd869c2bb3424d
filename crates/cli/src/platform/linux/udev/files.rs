//! The two files: what they say, whose they are, and how they come and go.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use usb_daemon_core::Config;

use crate::layers::SPOOL;

const RULES: &str = include_str!("../../../../../../deploy/udev/99-autoweave-usb.rules");
const HELPER: &str = include_str!("../../../../../../deploy/udev/autoweave-udev-notify");
/// What stands for the helper in the rules, and for the spool in the helper.
const HELPER_PATH: &str = "/usr/local/bin/autoweave-udev-notify";
/// Where udev looks for an administrator's rules.
pub(super) const RULES_PATH: &str = "/etc/udev/rules.d/99-autoweave-usb.rules";
/// Where a package has them.
pub(super) const PACKAGED: [&str; 2] =
    ["/usr/lib/udev/rules.d/99-autoweave-usb.rules", "/lib/udev/rules.d/99-autoweave-usb.rules"];
/// Begins the line by which a file of ours is known.
const MARK: &str = "# Written by `usb-daemon udev install`; sha256 of all other lines: ";

/// A file of ours as it should be.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) what: &'static str,
    /// Where it belongs, within `--root` if there is one.
    pub(super) place: PathBuf,
    content: String,
    mode: u32,
}

/// What is there in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Missing,
    /// What we would write.
    Same,
    /// Written by another version, or with another configuration.
    Older,
    /// Ours, and changed by somebody since.
    Edited,
    /// None of ours.
    Foreign,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Same => "current",
            Self::Older => "older",
            Self::Edited => "edited",
            Self::Foreign => "foreign",
        }
    }
}

/// Both files, the helper first: a rule must not call what is not there.
pub(super) fn wanted(config: &Config, place: impl Fn(&Path) -> PathBuf) -> [Wanted; 2] {
    let helper_path = &config.fallback.udev_script_path;
    let rules = RULES.replace(HELPER_PATH, helper_path);
    let helper = match config.fallback.spool_path.as_deref().and_then(Path::to_str) {
        Some(spool) => HELPER.replace(SPOOL, spool),
        None => HELPER.to_owned(),
    };
    let file = |what, path: &str, content: &str, mode| Wanted {
        what,
        place: place(Path::new(path)),
        content: marked(content),
        mode,
    };
    [file("helper", helper_path, &helper, 0o755), file("rules", RULES_PATH, &rules, 0o644)]
}

/// With the line that says whose it is: the first one, or the second where the first says who runs it.
fn marked(content: &str) -> String {
    let (first, rest) = match content.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!") => (format!("{first}\n"), rest),
        _ => (String::new(), content),
    };
    format!("{first}{MARK}{}\n{rest}", digest(content))
}

fn digest(content: &str) -> String {
    Sha256::digest(content.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whether a file of ours is as it was written; None where it is none of ours.
fn is_as_written(content: &str) -> Option<bool> {
    let mut said = None;
    let mut others = String::with_capacity(content.len());
    for line in content.split_inclusive('\n') {
        match line.trim_end().strip_prefix(MARK).filter(|_| said.is_none()) {
            Some(digest) => said = Some(digest),
            None => others.push_str(line),
        }
    }
    said.map(|said| said == digest(&others))
}

impl Wanted {
    /// What is in its place.
    pub(super) fn state(&self) -> io::Result<State> {
        let found = match fs::symlink_metadata(&self.place) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Missing),
            Err(error) => return Err(error),
        };
        if !found.is_file() {
            return Ok(State::Foreign);
        }
        let content = fs::read(&self.place)?;
        Ok(match std::str::from_utf8(&content).ok().and_then(|text| Some((text, is_as_written(text)?))) {
            None => State::Foreign,
            Some((_, false)) => State::Edited,
            Some((text, true)) => {
                let has_mode = found.permissions().mode() & 0o7777 == self.mode;
                if text == self.content && has_mode { State::Same } else { State::Older }
            }
        })
    }

    /// Writes it: whole, or not at all.
    pub(super) fn write(&self) -> io::Result<()> {
        let folder = self.place.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let name = self.place.file_name().unwrap_or_default().to_string_lossy();
        // Not `.rules`: udev is not to find it.
        let draft = folder.join(format!(".{name}.{}", std::process::id()));
        let written = self.write_to(&draft).and_then(|()| fs::rename(&draft, &self.place));
        if written.is_err() {
            // There may be none.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn write_to(&self, draft: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(self.mode).open(draft)?;
        file.write_all(self.content.as_bytes())?;
        // Whatever the umask has taken away.
        file.set_permissions(fs::Permissions::from_mode(self.mode))?;
        file.sync_all()
    }

    /// Removes it.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ours_is_known_and_so_is_that_somebody_has_changed_it() {
        let rules = marked(RULES);
        assert_eq!(is_as_written(&rules), Some(true));
        assert_eq!(is_as_written(&rules.replace("0660", "0666")), Some(false));
        assert_eq!(is_as_written(&format!("{rules}\n")), Some(false));
        assert_eq!(is_as_written(RULES), None);
        let helper = marked(HELPER);
        assert!(helper.starts_with("#!/bin/sh\n# Written by"), "whoever runs it reads the first line");
        assert_eq!(is_as_written(&helper), Some(true));
    }

    #[test]
    fn what_the_configuration_says_is_in_both_files() {
        let json = r#"{ "fallback": { "udev_script_path": "/opt/notify", "spool_path": "/run/x/y" } }"#;
        let config = Config::from_json(json).expect("valid");
        let [helper, rules] = wanted(&config, Path::to_owned);
        assert!(rules.content.contains("RUN+=\"/opt/notify\"") && !rules.content.contains(HELPER_PATH));
        assert!(helper.content.contains("/run/x/y") && !helper.content.contains(SPOOL));
        assert_eq!((helper.place, rules.place), ("/opt/notify".into(), RULES_PATH.into()));
    }
}
