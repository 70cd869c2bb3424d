//! `status`: what is installed, and whether it works.

use std::path::Path;

use serde_json::json;
use usb_daemon_core::{Error, waiting_records};

use super::StatusArguments;
use super::files::{PACKAGED, State, wanted};
use super::install::say;
use super::system::{GROUP, has_group, udev_runs};
use crate::exit;

/// Says it, and gives the exit code.
pub(super) fn status(arguments: &StatusArguments) -> Result<u8, Error> {
    let config = arguments.config()?;
    let mut is_installed = true;
    for file in wanted(&config, |path| arguments.place(path)) {
        let state = file.state();
        is_installed &= state.as_ref().is_ok_and(|state| *state == State::Same);
        let (word, why) = match &state {
            Ok(state) => (state.as_str(), String::new()),
            Err(error) => ("unreadable", format!(": {error}")),
        };
        let line = format!("{:<7} {word:<10} {}{why}", file.what, file.place.display());
        let object = json!({ "type": "file", "what": file.what, "path": file.place, "state": word });
        say(arguments, &line, &object)?;
    }
    let packaged =
        PACKAGED.map(|path| arguments.place(Path::new(path))).into_iter().find(|path| path.exists());
    if let Some(path) = &packaged {
        let line = format!("{:<7} {:<10} {}", "package", "current", path.display());
        say(arguments, &line, &json!({ "type": "package", "path": path }))?;
    }
    if arguments.root.is_none() {
        let (group, udev) = (has_group(), udev_runs());
        let (exists, runs) = (if group { "exists" } else { "missing" }, if udev { "runs" } else { "absent" });
        say(
            arguments,
            &format!("{:<7} {exists:<10} {GROUP}", "group"),
            &json!({ "type": "group", "name": GROUP, "exists": group }),
        )?;
        say(arguments, &format!("{:<7} {runs}", "udev"), &json!({ "type": "udev", "runs": udev }))?;
    }
    let enabled = config.fallback.enable_udev;
    match config.fallback.spool_path.as_deref().map(|path| arguments.place(path)) {
        None => say(arguments, "spool   none", &json!({ "type": "spool", "enabled": enabled }))?,
        Some(path) => {
            let records = waiting_records(&path);
            let (state, count) = match &records {
                Ok(count) => (format!("{count} wait"), json!(count)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    ("missing".to_owned(), json!(null))
                }
                Err(error) => (format!("{error}"), json!(null)),
            };
            let off = if enabled { "" } else { ", and fallback.enable_udev is false: no daemon looks there" };
            let object = json!({ "type": "spool", "path": path, "enabled": enabled, "records": count, "state": state });
            say(arguments, &format!("{:<7} {state:<10} {}{off}", "spool", path.display()), &object)?;
        }
    }
    Ok(if is_installed || packaged.is_some() { exit::OK } else { exit::FAILED })
}
