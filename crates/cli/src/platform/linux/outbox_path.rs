//! Where the outbox lies when nobody says: in the system's place for state.

use std::path::PathBuf;

const FILE: &str = "outbox.db";
const FOLDER: &str = "usb-daemon";

/// `$STATE_DIRECTORY`, `$XDG_STATE_HOME`, then the place of this user. None where no place is known.
pub(crate) fn default() -> Option<PathBuf> {
    from(|name| std::env::var_os(name).map(PathBuf::from), is_root())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn from(variable: impl Fn(&str) -> Option<PathBuf>, is_root: bool) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    // systemd joins several by colons.
    let first = |paths: PathBuf| std::env::split_paths(&paths).find(|path| path.is_absolute());
    if let Some(folder) = variable("STATE_DIRECTORY").and_then(first) {
        return Some(folder.join(FILE));
    }
    let folder = match absolute("XDG_STATE_HOME") {
        Some(state) => state,
        None if is_root => PathBuf::from("/var/lib"),
        None => absolute("HOME")?.join(".local/state"),
    };
    Some(folder.join(FOLDER).join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], is_root: bool) -> Option<String> {
        let variable =
            |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into());
        from(variable, is_root).map(|path| path.display().to_string())
    }

    #[test]
    fn the_services_folder_goes_before_the_users() {
        let all =
            [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/home/u")];
        assert_eq!(found(&all, true).as_deref(), Some("/var/lib/a/outbox.db"));
        assert_eq!(found(&all[1..], true).as_deref(), Some("/x/usb-daemon/outbox.db"));
        assert_eq!(found(&all[2..], true).as_deref(), Some("/var/lib/usb-daemon/outbox.db"));
        assert_eq!(found(&all[2..], false).as_deref(), Some("/home/u/.local/state/usb-daemon/outbox.db"));
        assert_eq!(found(&[("XDG_STATE_HOME", "relative")], false), None, "a relative path is none");
    }
}
