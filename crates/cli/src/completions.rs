//! `usb-daemon completions`: a script with which a shell completes our commands and options.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};
use usb_daemon_core::{Code, Error};

use crate::arguments::Arguments;
use crate::printer::print_once;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon completions bash > ~/.local/share/bash-completion/completions/usb-daemon
  usb-daemon completions zsh > \"${fpath[1]}/_usb-daemon\"
  usb-daemon completions fish > ~/.config/fish/completions/usb-daemon.fish

Exit codes:
  0  done
  1  failed
  2  bad arguments";

#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    shell: Known,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<(), Error> {
    let shell = match arguments.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "usb-daemon", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::new(Code::System, format!("the script is no text: {error}")))?;
    // Where a program's name has a hyphen, clap_complete's two halves do not agree on its name (clap-rs/clap#6421).
    print_once(&script.replace("usb__subcmd__daemon", "usb__daemon"))
}
