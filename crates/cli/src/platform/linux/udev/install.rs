//! `install` and `uninstall`: what they would do, and doing it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use usb_daemon_core::{Code, Error};

use super::files::{PACKAGED, State, Wanted, wanted};
use super::system::{GROUP, has_group, reload, udev_runs};
use super::{ChangeArguments, StatusArguments};
use crate::printer::print_once;
use crate::{complain, exit, status};

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Write,
    Replace,
    Remove,
    Nothing,
    /// It is somebody else's, or has been changed.
    LeaveAlone,
}

impl Deed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Nothing => "nothing to do",
            Self::LeaveAlone => "left alone",
        }
    }

    fn changes(self) -> bool {
        matches!(self, Self::Write | Self::Replace | Self::Remove)
    }
}

fn to_install(state: State, force: bool) -> Deed {
    match state {
        State::Missing => Deed::Write,
        State::Same => Deed::Nothing,
        State::Older => Deed::Replace,
        State::Edited if force => Deed::Replace,
        State::Edited | State::Foreign => Deed::LeaveAlone,
    }
}

fn to_remove(state: State, force: bool) -> Deed {
    match state {
        State::Missing => Deed::Nothing,
        State::Same | State::Older => Deed::Remove,
        State::Edited if force => Deed::Remove,
        State::Edited | State::Foreign => Deed::LeaveAlone,
    }
}

/// Writes what is missing or older.
pub(super) fn install(arguments: &ChangeArguments) -> Result<u8, Error> {
    let is_packaged = PACKAGED.iter().any(|path| arguments.place.place(Path::new(path)).exists());
    if is_packaged && !arguments.force {
        let message = "a package has installed rules and helper in /usr/lib/udev: nothing to do (--force installs \
                       ours, which then go before the package's)";
        say(&arguments.place, message, &json!({ "type": "note", "message": message }))?;
        return Ok(exit::OK);
    }
    let code = change(arguments, "install", to_install)?;
    if arguments.place.root.is_none() && !has_group() {
        let message = format!(
            "there is no group {GROUP}, and without it udev gives devices to nobody but root: make it with \
             `groupadd --system {GROUP}`"
        );
        say(&arguments.place, &message, &json!({ "type": "note", "message": message }))?;
    }
    Ok(code)
}

/// Removes what is ours.
pub(super) fn uninstall(arguments: &ChangeArguments) -> Result<u8, Error> {
    change(arguments, "uninstall", to_remove)
}

fn change(arguments: &ChangeArguments, verb: &str, deed: impl Fn(State, bool) -> Deed) -> Result<u8, Error> {
    let place = &arguments.place;
    let mut files = wanted(&place.config()?, |path| place.place(path));
    if verb == "uninstall" {
        // A rule must not call what is not there any more.
        files.reverse();
    }
    let mut plan = Vec::new();
    for file in &files {
        let state = file.state().map_err(|error| failed(file, &error.to_string()))?;
        plan.push((file, state, deed(state, arguments.force)));
    }
    for (file, state, deed) in &plan {
        let path = file.place.display();
        let line = format!("{:<14} {:<7} {path} ({})", deed.as_str(), file.what, state.as_str());
        let object = json!({
            "type": "file", "what": file.what, "path": file.place, "state": state.as_str(), "action": deed.as_str(),
        });
        say(place, &line, &object)?;
    }
    let mut code = exit::OK;
    for (file, state, _) in plan.iter().filter(|(.., deed)| *deed == Deed::LeaveAlone) {
        complain(&left_alone(file, *state));
        code = exit::FAILED;
    }
    // Half of it would be of no use, and could do harm: a rule that calls somebody else's program.
    if code != exit::OK && verb == "install" {
        return Ok(code);
    }
    let deeds: Vec<_> = plan.into_iter().filter(|(.., deed)| deed.changes()).collect();
    if arguments.dry_run || deeds.is_empty() {
        return Ok(code);
    }
    if place.root.is_none() && !rustix::process::geteuid().is_root() {
        complain(&Error::new(Code::Udev, format!("only root may do that: sudo usb-daemon udev {verb}")));
        return Ok(exit::FAILED);
    }
    for (file, _, deed) in deeds {
        let done = if deed == Deed::Remove { file.remove() } else { file.write() };
        done.map_err(|error| failed(file, &error.to_string()))?;
    }
    if place.root.is_none() && udev_runs() {
        if reload() {
            let message = "udev has read its rules again; what is plugged in already gets group and tags with \
                           `udevadm trigger --subsystem-match=usb`";
            say(place, message, &json!({ "type": "note", "message": message }))?;
        } else {
            status("warning: udev could not be told to read its rules again: udevadm control --reload");
        }
    }
    Ok(code)
}

fn left_alone(file: &Wanted, state: State) -> Error {
    let path = file.place.display();
    let message = if state == State::Edited {
        format!(
            "{path} is ours, and somebody has changed it: it is left alone (--force takes it all the same)"
        )
    } else {
        let or = if file.what == "helper" { ", or set fallback.udev_script_path" } else { "" };
        format!("{path} is none of ours, and is never touched: move it away{or}")
    };
    Error::new(Code::Udev, message)
}

fn failed(file: &Wanted, why: &str) -> Error {
    Error::new(Code::Udev, format!("{}: {why}", file.place.display()))
}

/// A line for a person, or an object.
pub(super) fn say(arguments: &StatusArguments, line: &str, object: &Value) -> Result<(), Error> {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = if arguments.json { writeln!(text, "{object}") } else { writeln!(text, "{line}") };
    print_once(&text)
}
