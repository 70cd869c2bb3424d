//! Where the outbox lies when nobody says: in the system's place for what programs keep.

use std::path::PathBuf;

const PLACE: &str = "Library/Application Support/usb-daemon/outbox.db";

/// Of this user; of all where that is root, as launchd's daemons are. None where no place is known.
pub(crate) fn default() -> Option<PathBuf> {
    from(std::env::var_os("HOME").map(PathBuf::from), rustix::process::geteuid().is_root())
}

fn from(home: Option<PathBuf>, is_root: bool) -> Option<PathBuf> {
    let folder = if is_root { PathBuf::from("/") } else { home.filter(|home| home.is_absolute())? };
    Some(folder.join(PLACE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_of_roots_keeps_it_for_all_users() {
        let found =
            |home: &str, is_root| from(Some(home.into()), is_root).map(|path| path.display().to_string());
        let place = |folder: &str| Some(format!("{folder}/Library/Application Support/usb-daemon/outbox.db"));
        assert_eq!(found("/Users/u", false), place("/Users/u"));
        assert_eq!(found("/var/root", true), place(""));
        assert_eq!(found("relative", false), None);
    }
}
