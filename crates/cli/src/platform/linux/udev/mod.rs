//! `usb-daemon udev`: rules and a helper for udev, and publishing what that helper has written down.

mod files;
mod install;
mod publish;
mod state;
mod system;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use usb_daemon_core::{Config, Error};

use crate::configuration_file::read_with_variable;
use crate::layers::add_spool;
use crate::run_arguments::RunArguments;
use crate::stopper::Stopper;
use crate::yes_or_no::yes_or_no;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon udev install --dry-run     what would be written
  sudo usb-daemon udev install          write it
  usb-daemon udev status --json
  usb-daemon udev publish               publish what the helper has written down, where no daemon is meant to run

What the rules do: devices belong to the group autoweave (printers: lp), and nobody else may open them, they get the tags autoweave_hub, \
autoweave_hid, autoweave_storage and autoweave_cdc, and a helper writes down what comes and goes, for a daemon that is \
not running just then.";

const INSTALL: &str = "\
Examples:
  usb-daemon udev install --dry-run
  sudo usb-daemon udev install
  usb-daemon udev install --root /tmp/package    for packagers: nothing outside that folder is looked at

A file that is not ours is never touched, and one of ours that somebody has changed only with --force.

Exit codes:
  0  installed, or there was nothing to do; with --dry-run, it would be
  1  failed: a file had to be left alone or could not be written, or root's rights are needed
  2  bad arguments or configuration";

const UNINSTALL: &str = "\
Removes what `usb-daemon udev install` has written, and nothing else: one that somebody has changed only with --force.

Exit codes:
  0  removed, or there was nothing to do; with --dry-run, it would be
  1  failed: a file had to be left alone or could not be removed, or root's rights are needed
  2  bad arguments or configuration";

const STATUS: &str = "\
Exit codes:
  0  rules and helper are installed, and are those of this version, or a package's
  1  they are not
  2  bad arguments or configuration";

#[derive(Args, Debug)]
pub(crate) struct UdevArguments {
    #[command(subcommand)]
    pub(crate) command: UdevCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UdevCommand {
    /// Write rules and helper where udev finds them.
    #[command(after_help = INSTALL)]
    Install(ChangeArguments),
    /// Remove what `install` has written.
    #[command(after_help = UNINSTALL)]
    Uninstall(ChangeArguments),
    /// Say what is installed, and whether it works.
    #[command(after_help = STATUS)]
    Status(StatusArguments),
    /// Publish what the helper has written down, and end.
    #[command(after_help = publish::AFTER_HELP, mut_args = crate::shown::to_a_publication)]
    Publish(Box<publish::PublishArguments>),
}

#[derive(Args, Debug)]
pub(crate) struct ChangeArguments {
    /// Say what would be done, and do nothing
    #[arg(long, env = "USB_DAEMON_DRY_RUN", hide_env_values = true, value_parser = yes_or_no)]
    dry_run: bool,
    /// Take files of ours for ours even where somebody has changed them
    #[arg(long, env = "USB_DAEMON_FORCE", hide_env_values = true, value_parser = yes_or_no)]
    force: bool,
    #[command(flatten)]
    place: StatusArguments,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    /// Print one JSON object a line
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no)]
    json: bool,
    /// The folder that stands for `/`
    #[arg(long, value_name = "DIR", env = "USB_DAEMON_ROOT", hide_env_values = true)]
    root: Option<PathBuf>,
    /// Configuration file (JSON): `fallback.udev_script_path` and `fallback.spool_path` count
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl StatusArguments {
    fn config(&self) -> Result<Config, Error> {
        let mut root = read_with_variable(self.config.as_deref(), &["fallback"])?;
        add_spool(&mut root);
        let config = Config::from_json(&serde_json::Value::Object(root).to_string())?;
        let faults = faults(&config);
        if faults.is_empty() { Ok(config) } else { Err(Error::of_faults(faults)) }
    }

    /// Where a file of this absolute path really is.
    fn place(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }
}

/// What cannot become a part of a rule, where a blank begins an argument and a `$` is replaced, or of a program of the shell.
fn faults(config: &Config) -> Vec<String> {
    let fallback = &config.fallback;
    let spool = fallback
        .spool_path
        .as_deref()
        .map(|path| ("fallback.spool_path", path.to_string_lossy().into_owned()));
    let paths = [("fallback.udev_script_path", fallback.udev_script_path.clone())].into_iter().chain(spool);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
    let bad = paths
        .filter(|(_, path)| !path.starts_with('/') || path.ends_with('/') || !path.bytes().all(is_plain));
    bad.map(|(key, path)| {
        format!("{key} is {path:?}: expected an absolute path of letters, digits and / . _ + -")
    })
    .collect()
}

impl UdevArguments {
    /// The arguments that a run has, if this has them.
    pub(crate) fn run_arguments(&mut self) -> Option<&mut RunArguments> {
        match &mut self.command {
            UdevCommand::Publish(publish) => Some(&mut publish.run),
            _ => None,
        }
    }
}

/// Runs one of them, and gives the exit code.
pub(crate) fn udev(arguments: &UdevArguments, stopper: &Arc<Stopper>) -> Result<u8, Error> {
    match &arguments.command {
        UdevCommand::Install(change) => install::install(change),
        UdevCommand::Uninstall(change) => install::uninstall(change),
        UdevCommand::Status(status) => state::status(status),
        UdevCommand::Publish(publish) => publish::publish(publish, stopper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_a_part_of_a_rule_or_of_a_program_is_a_plain_path() {
        let faults = |key: &str, path: &str| {
            let json = serde_json::json!({ "fallback": { key: path } }).to_string();
            faults(&Config::from_json(&json).expect("valid")).len()
        };
        for key in ["udev_script_path", "spool_path"] {
            assert_eq!(faults(key, "/opt/a+b/autoweave_udev-1.sh"), 0);
            for path in [
                "relative",
                "/x y",
                "/x\", RUN+=\"/bin/sh",
                "/$kernel",
                "/folder/",
                "/x%k",
                "/x\n",
                "/x}; rm",
            ] {
                assert_eq!(faults(key, path), 1, "{key}: {path}");
            }
        }
    }
}
