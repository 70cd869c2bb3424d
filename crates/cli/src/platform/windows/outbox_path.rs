//! Where the outbox lies when nobody says: in the system's place for what programs keep.

use std::path::PathBuf;

/// `%LOCALAPPDATA%`, which a service has, too; then `%ProgramData%`. None where no place is known.
pub(crate) fn default() -> Option<PathBuf> {
    from(|name| std::env::var_os(name).map(PathBuf::from))
}

fn from(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let folder = ["LOCALAPPDATA", "ProgramData"].into_iter().find_map(|name| {
        // Not `is_absolute`, which is about the system that this is tested on.
        variable(name).filter(|folder| !folder.as_os_str().is_empty())
    })?;
    Some(folder.join("usb-daemon").join("outbox.db"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_place_goes_before_that_of_all() {
        let found = |set: &[(&str, &str)]| {
            from(|wanted| set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into()))
        };
        let all = [("LOCALAPPDATA", "local"), ("ProgramData", "all")];
        assert_eq!(found(&all), Some(PathBuf::from("local").join("usb-daemon").join("outbox.db")));
        assert_eq!(found(&all[1..]), Some(PathBuf::from("all").join("usb-daemon").join("outbox.db")));
        assert_eq!(found(&[("LOCALAPPDATA", "")]), None);
    }
}
