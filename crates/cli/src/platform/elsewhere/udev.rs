//! `usb-daemon udev` where there is no udev: the command is there, says so, and says what does without.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use usb_daemon_core::{Code, Error};

use crate::run_arguments::RunArguments;
use crate::stopper::Stopper;

pub(crate) const AFTER_HELP: &str = "\
Only Linux has udev, and nothing here needs it: a daemon hears devices come and go by itself, and tells at its start what has \
changed since it last ran.

Exit codes:
  1  always
  2  bad arguments";

#[derive(Args, Debug)]
pub(crate) struct UdevArguments {
    /// What would be done on Linux
    command: UdevCommand,
    /// Whatever that takes.
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _options: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UdevCommand {
    Install,
    Uninstall,
    Status,
    Publish,
}

impl UdevArguments {
    /// None of them has those of a run.
    #[expect(clippy::unused_self, reason = "on Linux one of them has")]
    pub(crate) fn run_arguments(&mut self) -> Option<&mut RunArguments> {
        None
    }
}

/// Says that there is no udev.
pub(crate) fn udev(arguments: &UdevArguments, _: &Arc<Stopper>) -> Result<u8, Error> {
    let there = match arguments.command {
        UdevCommand::Install | UdevCommand::Uninstall => "there are no rules and no helper for this system",
        UdevCommand::Status => "nothing is installed, nor needs to be",
        UdevCommand::Publish => "no helper writes anything down that could be published",
    };
    let message = format!(
        "only Linux has udev: {there}; run `usb-daemon`, which hears devices by itself and tells at its start what it has missed"
    );
    Err(Error::new(Code::Udev, message))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        udev: UdevArguments,
    }

    #[test]
    fn each_command_is_known_with_its_options_and_says_what_to_do_instead() {
        for line in ["install --dry-run", "uninstall --root /x", "status --json", "publish --timeout 60"] {
            let line = ["udev"].into_iter().chain(line.split(' '));
            let Line { mut udev } = Line::try_parse_from(line).expect("known");
            assert!(udev.run_arguments().is_none());
            let error = super::udev(&udev, &Arc::default()).expect_err("there is no udev");
            assert_eq!(error.code, Code::Udev);
            assert!(error.to_string().contains("run `usb-daemon`"), "{error}");
        }
        assert!(Line::try_parse_from(["udev", "instal"]).is_err());
    }
}
