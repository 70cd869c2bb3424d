//! The command line of `usb-daemon`: arguments, environment and configuration file in, lines out.

mod arguments;
mod class;
mod completions;
mod config;
mod config_watch;
mod configuration_file;
mod doctor;
mod driver;
mod exported;
mod health;
mod layers;
mod line;
mod list;
mod listening;
mod logging;
mod masking;
mod origins;
mod platform;
mod printer;
mod reload;
mod run;
mod run_arguments;
mod secret;
mod selection;
mod setting;
mod shown;
mod simulate;
mod stopper;
mod style;
mod tail;
mod teller;
mod variables;
mod wait;
mod watch;
mod yes_or_no;

use std::io::{Write as _, stderr};
use std::sync::Arc;

use arguments::{Arguments, Command};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use exported::Exported;
pub use platform::service::Service;
use platform::udev;
pub use stopper::Stopper;

/// Exit codes, as `--help` documents them.
mod exit {
    pub(crate) const OK: u8 = 0;
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const TIMED_OUT: u8 = 3;
}

/// One call of the program.
pub struct Invocation {
    args: Vec<String>,
    stopper: Arc<Stopper>,
    service: Service,
}

impl Invocation {
    /// `args` as after the program's name.
    pub fn new(args: Vec<String>, stopper: Arc<Stopper>, service: Service) -> Self {
        Self { args, stopper, service }
    }

    /// Runs to the end and gives the exit code.
    pub fn run(self) -> u8 {
        let program = std::iter::once("usb-daemon".to_owned());
        let arguments = match Arguments::read(program.chain(self.args.iter().cloned())) {
            Ok(arguments) => arguments,
            Err(error) if error.use_stderr() => {
                status(&in_one_line(&error, &self.args));
                return exit::USAGE;
            }
            Err(help_or_version) => {
                // Where the terminal has gone there is nobody left to tell.
                let _ = help_or_version.print();
                return exit::OK;
            }
        };
        for warning in variables::misspelt() {
            status(&format!("warning: {warning}"));
        }
        let command = arguments.command.unwrap_or(Command::Run(arguments.run));
        let exported = match &command {
            Command::Run(_) => Exported::of_environment().map(Some),
            _ => Ok(None),
        };
        let exported = match exported {
            Ok(exported) => exported,
            Err(error) => {
                complain(&error);
                return exit::FAILED;
            }
        };
        if let Err(message) = logging::start(exported.as_ref().map(|exported| &exported.telemetry)) {
            complain(&usb_daemon_core::Error::new(usb_daemon_core::Code::Config, message));
            return exit::USAGE;
        }
        let done = match command {
            Command::Run(arguments) => {
                run::run(&arguments, &self.stopper, exported, self.service).map(|()| exit::OK)
            }
            Command::List(arguments) => list::list(&arguments).map(|()| exit::OK),
            Command::Watch(arguments) => watch::watch(arguments, &self.stopper).map(|()| exit::OK),
            Command::Wait(arguments) => wait::wait(&arguments, &self.stopper),
            Command::Tail(arguments) => tail::tail(&arguments, &self.stopper).map(|()| exit::OK),
            Command::Simulate(arguments) => simulate::simulate(&arguments, &self.stopper),
            Command::Health(arguments) => health::health(&arguments),
            Command::Doctor(arguments) => doctor::doctor(&arguments),
            Command::Config(arguments) => config::config(&arguments).map(|()| exit::OK),
            Command::Udev(arguments) => udev::udev(&arguments, &self.stopper),
            Command::Driver(arguments) => driver::driver(&arguments),
            Command::Completions(arguments) => completions::completions(&arguments).map(|()| exit::OK),
        };
        match done {
            Ok(code) => code,
            Err(error) => {
                complain(&error);
                if error.code == usb_daemon_core::Code::Config { exit::USAGE } else { exit::FAILED }
            }
        }
    }
}

/// Says what went wrong.
fn complain(error: &usb_daemon_core::Error) {
    status(&format!("error: {error} [{}]", error.code.as_str()));
}

/// Writes one line to stderr. Where nobody reads that, it is not worth ending for.
fn status(line: &str) {
    let _ = writeln!(stderr(), "{}", line::on_one_line(line));
}

/// What is wrong and what was probably meant; the usage is what `--help` is for.
fn in_one_line(error: &clap::Error, args: &[String]) -> String {
    let mut text = error.to_string();
    let is_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    if let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg).filter(|_| is_value)
        && let Some(variable) = arguments::variable_behind(named, args)
    {
        // Nobody has typed the option.
        text = text.replace(named, &variable);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling =
        lines.filter(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let line = telling.collect::<Vec<_>>().join("; ");
    format!("{line}; --help lists what there is [{}]", usb_daemon_core::Code::Config.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_argument_is_one_line_with_what_was_meant() {
        let error =
            Arguments::read(["usb-daemon", "--redis-prot", "1"].map(str::to_owned)).expect_err("misspelt");
        let line = in_one_line(&error, &[]);
        assert_eq!(
            line,
            "error: unexpected argument '--redis-prot' found; tip: a similar argument exists: '--redis-port'; \
             --help lists what there is [ERR_USB_CONFIG]"
        );
    }
}
