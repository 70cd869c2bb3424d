//! The folder of the helper that udev calls: whether what was missed is told from there.

use std::io::ErrorKind;
use std::path::Path;

use super::{Finding, Tell};
use crate::config::Config;
use crate::platform::rights::{Right, may};
use crate::spool;

const SUBJECT: &str = "udev helper";

pub(super) fn folder(config: &Config, tell: Tell<'_>) {
    tell(match config.spool() {
        Some(path) => records(path),
        None => Finding::ok(SUBJECT, "not looked for, by configuration"),
    });
}

fn records(path: &Path) -> Finding {
    let shown = path.display();
    let membership = "run the daemon as a member of the folder's group (autoweave)";
    let count = match spool::waiting(path) {
        Ok(count) => count,
        // It may be left out: the outbox and the first snapshot tell most of it.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let found = format!(
                "{shown} is not there: what comes and goes again while no daemon runs is not told; `usb-daemon udev install` makes it"
            );
            return Finding::ok(SUBJECT, found);
        }
        Err(error) => {
            return Finding::warn(SUBJECT, format!("{shown} cannot be read: {error}"), membership);
        }
    };
    match may(path, Right::MakeFiles) {
        Err(error) => {
            let found = format!("{shown}: records cannot be removed once they are told: {error}");
            Finding::warn(SUBJECT, found, membership)
        }
        Ok(()) if count == 0 => Finding::ok(SUBJECT, format!("{shown}: no record waits")),
        Ok(()) => {
            let waiting =
                if count == 1 { "1 record waits".to_owned() } else { format!("{count} records wait") };
            Finding::ok(SUBJECT, format!("{shown}: {waiting} for a daemon"))
        }
    }
}
