//! Arguments: every option has an environment variable, and goes before the configuration file.

use clap::builder::Resettable;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::completions::{self, CompletionsArguments};
use crate::config::{self, ConfigArguments};
use crate::doctor::{self, DoctorArguments};
use crate::driver::{self, DriverArguments};
use crate::health::{self, HealthArguments};
use crate::list::{self, ListArguments};
use crate::origins::Origins;
use crate::platform::udev::{self, UdevArguments};
use crate::run_arguments::{RunArguments, TOKEN, TOKEN_FILE};
use crate::shown;
use crate::simulate::{self, SimulateArguments};
use crate::tail::{self, TailArguments};
use crate::wait::{self, WaitArguments};
use crate::watch::{self, WatchArguments};

const AFTER_HELP: &str = "\
Examples:
  usb-daemon                          run, and print each device that comes or goes
  usb-daemon --json | jq .info        the same as NDJSON
  usb-daemon --simulate --no-redis    see it work where there is no USB
  usb-daemon --set outbox.retain=500  any key of the configuration; `usb-daemon config` lists them
  usb-daemon doctor                   what is missing here, and what to do about it
  usb-daemon config                   what is in force, and where each value comes from

Options go before environment variables, these before the configuration file, and that before the defaults. Whoever \
names the Redis server (URL, socket, host or port) in a higher place means that one, however it is named below. Where a \
file says `\"redis\": false`, only an option, REDIS_URL, USB_DAEMON_NO_REDIS=0 or USB_DAEMON_SET has events published.

A changed file, or SIGHUP, has it all read again: filters, max_events_per_second and batch_size hold at once, the rest \
after a restart. Without a file SIGHUP ends the daemon.

Exit codes (`usb-daemon COMMAND --help` has those of each command):
  0  stopped
  1  failed
  2  bad arguments or configuration

LOG_LEVEL (off, error, warn, info, debug, trace) sets what is logged to stderr, RUST_LOG which parts say it: for a \
person on a terminal, as JSON in a pipe.";

#[derive(Debug, Parser)]
#[command(name = "usb-daemon", version, about = "USB hot-plug events for Node.js and Redis", after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

impl Arguments {
    /// Reads `args`, which begin with the program's name. A variable that is set to nothing counts as not set, but for the
    /// token's and its file's: whoever sets one of them means the server to be closed.
    pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Self, clap::Error> {
        let args: Vec<String> = args.into_iter().collect();
        let command = Self::command().mut_subcommands(|command| {
            let command = command.mut_args(without_empty_variable);
            command.mut_subcommands(|command| command.mut_args(without_empty_variable))
        });
        // Variables of a run are none of another command's business.
        let alone = command.clone().mut_args(|arg| arg.env(Resettable::Reset));
        let matches = match alone.try_get_matches_from(&args) {
            Ok(matches) if matches.subcommand().is_some() => matches,
            _ => command.clone().mut_args(without_empty_variable).try_get_matches_from(&args)?,
        };
        let mut arguments = Self::from_arg_matches(&matches)?;
        arguments.learn_origins(&command, &matches);
        Ok(arguments)
    }

    fn learn_origins(&mut self, command: &clap::Command, matches: &ArgMatches) {
        let (command, matches) = match matches.subcommand() {
            Some((name, inner)) => (command.find_subcommand(name).unwrap_or(command), inner),
            None => (command, matches),
        };
        let (command, matches) = match matches.subcommand() {
            Some((name, inner)) => (command.find_subcommand(name).unwrap_or(command), inner),
            None => (command, matches),
        };
        let origins = Origins::learn(command, matches);
        match &mut self.command {
            None => self.run.learn(origins),
            Some(Command::Run(run)) => run.learn(origins),
            Some(Command::Simulate(simulate)) => simulate.run.learn(origins),
            Some(Command::Doctor(doctor)) => doctor.run.learn(origins),
            Some(Command::Config(config)) => config.run.learn(origins),
            Some(Command::Udev(udev)) => {
                if let Some(run) = udev.run_arguments() {
                    run.learn(origins);
                }
            }
            Some(Command::Health(health)) => health.learn(&origins),
            Some(Command::List(list)) => list.learn(&origins),
            Some(Command::Watch(watch)) => watch.learn(&origins),
            _ => {}
        }
    }
}

/// The variable of an option that a message names (`--http-port <PORT>`), where it is not among what was typed.
pub(crate) fn variable_behind(named: &str, args: &[String]) -> Option<String> {
    let option = named.split([' ', '[', '=']).next()?;
    let is_typed =
        |arg: &String| arg.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    if args.iter().any(is_typed) {
        return None;
    }
    let command = Arguments::command();
    // Each command has its own; the same option may have another variable elsewhere.
    let chosen = args.iter().find_map(|arg| command.find_subcommand(arg)).unwrap_or(&command);
    let chosen = args.iter().find_map(|arg| chosen.find_subcommand(arg)).unwrap_or(chosen);
    let argument =
        chosen.get_arguments().find(|argument| argument.get_long() == option.strip_prefix("--"))?;
    argument.get_env().map(|name| name.to_string_lossy().into_owned())
}

fn without_empty_variable(arg: Arg) -> Arg {
    let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let closes_the_server = [TOKEN, TOKEN_FILE].contains(&arg.get_id().as_str());
    if empty && !closes_the_server { arg.env(Resettable::Reset) } else { arg }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon (the default).
    #[command(after_help = AFTER_HELP)]
    Run(RunArguments),
    /// List what is connected now.
    #[command(after_help = list::AFTER_HELP)]
    List(ListArguments),
    /// Print devices as they come and go, and leave nothing behind.
    #[command(after_help = watch::AFTER_HELP)]
    Watch(WatchArguments),
    /// Wait until a device is there, or gone.
    #[command(after_help = wait::AFTER_HELP)]
    Wait(WaitArguments),
    /// Print what the outbox holds, with or without a daemon that runs.
    #[command(after_help = tail::AFTER_HELP)]
    Tail(TailArguments),
    /// Let simulated devices come and go, so many times, and say what was published.
    #[command(after_help = simulate::AFTER_HELP, mut_args = |arg| shown::to_a_simulation(arg))]
    Simulate(SimulateArguments),
    /// Ask a running daemon how it is.
    #[command(after_help = health::AFTER_HELP)]
    Health(HealthArguments),
    /// Say what a daemon would find here, and what to do about it.
    #[command(
        after_help = doctor::AFTER_HELP, mut_args = |arg| shown::to_a_diagnosis(arg),
        mut_arg("json", |arg| arg.help("Print each finding as one JSON object a line"))
    )]
    Doctor(DoctorArguments),
    /// Print what is in force, and where each value comes from.
    #[command(
        after_help = config::AFTER_HELP,
        mut_arg("json", |arg| arg.help("Print each key, and each warning, as one JSON object a line"))
    )]
    Config(ConfigArguments),
    /// Rules and a helper for udev, and publishing what that helper has written down.
    #[command(after_help = udev::AFTER_HELP)]
    Udev(UdevArguments),
    /// Drivers for devices that have none: what the rules would do, and the helper that may.
    #[command(after_help = driver::AFTER_HELP)]
    Driver(DriverArguments),
    /// Print a script with which a shell completes commands and options.
    #[command(after_help = completions::AFTER_HELP)]
    Completions(CompletionsArguments),
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn configuration(args: &[&str]) -> Value {
        let args = std::iter::once("usb-daemon").chain(args.iter().copied()).map(str::to_owned);
        let run = Arguments::read(args).expect("valid arguments").run;
        run.layers().expect("a configuration").root.into()
    }

    #[test]
    fn arguments_become_the_configurations_keys() {
        let found = configuration(&["--redis-port", "7000", "--no-http", "--simulate", "--interval", "100"]);
        assert_eq!(found["redis"]["port"], 7000);
        assert_eq!(found["monitoring"]["enabled"], false);
        assert_eq!(found["sources"]["simulated"], true);
        assert_eq!(configuration(&["--no-redis", "--redis-port", "1"])["redis"], false);
    }

    #[test]
    fn the_command_run_takes_the_same_arguments() {
        let arguments = Arguments::try_parse_from(["usb-daemon", "run", "--json"]).expect("valid");
        let Some(Command::Run(run)) = arguments.command else { panic!("run is a command") };
        assert!(run.json);
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = Arguments::try_parse_from(["usb-daemon", "--redis-prot", "1"]).expect_err("misspelt");
        assert!(error.to_string().contains("--redis-prot"));
    }
}
