//! Arguments: every option has an environment variable, and goes before the configuration file.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, Resettable};
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use serde_json::{Map, Value, json};
use usb_daemon_core::{Code, Error};

use crate::completions::{self, CompletionsArguments};
use crate::doctor::{self, DoctorArguments};
use crate::health::{self, HealthArguments};
use crate::list::{self, ListArguments};
use crate::outbox_path;
use crate::simulate::{self, SimulateArguments};
use crate::tail::{self, TailArguments};
use crate::wait::{self, WaitArguments};
use crate::watch::{self, WatchArguments};

const AFTER_HELP: &str = "\
Examples:
  usb-daemon                          run, and print each device that comes or goes
  usb-daemon --json | jq .info        the same as NDJSON
  usb-daemon --simulate --no-redis    see it work where there is no USB
  usb-daemon doctor                   what is missing here, and what to do about it

Exit codes (`usb-daemon COMMAND --help` has those of each command):
  0  stopped
  1  failed
  2  bad arguments or configuration

LOG_LEVEL (error, warn, info, debug, trace) sets what is logged to stderr.";

#[derive(Debug, Parser)]
#[command(name = "usb-daemon", version, about = "USB hot-plug events for Node.js and Redis", after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

impl Arguments {
    /// Reads `args`, which begin with the program's name. A variable that is set to nothing counts as not set.
    pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Self, clap::Error> {
        let command = Self::command()
            .mut_args(without_empty_variable)
            .mut_subcommands(|command| command.mut_args(without_empty_variable));
        Self::from_arg_matches(&command.try_get_matches_from(args)?)
    }
}

fn without_empty_variable(arg: Arg) -> Arg {
    let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if empty { arg.env(Resettable::Reset) } else { arg }
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
    #[command(after_help = simulate::AFTER_HELP, mut_args = |arg| only(arg, &SIMULATING))]
    Simulate(SimulateArguments),
    /// Ask a running daemon how it is.
    #[command(after_help = health::AFTER_HELP)]
    Health(HealthArguments),
    /// Say what a daemon would find here, and what to do about it.
    #[command(after_help = doctor::AFTER_HELP, mut_args = |arg| only(arg, &DOCTORING))]
    Doctor(DoctorArguments),
    /// Print a script with which a shell completes commands and options.
    #[command(after_help = completions::AFTER_HELP)]
    Completions(CompletionsArguments),
}

/// Options of a run that mean something to a demonstration, and to a diagnosis.
const SIMULATING: [&str; 12] = [
    "count",
    "rate",
    "config",
    "json",
    "no_redis",
    "redis_url",
    "redis_host",
    "redis_port",
    "redis_db",
    "redis_username",
    "redis_stream",
    "redis_password",
];
const DOCTORING: [&str; 11] = [
    "config",
    "json",
    "no_redis",
    "outbox",
    "redis_url",
    "redis_host",
    "redis_port",
    "redis_db",
    "redis_username",
    "redis_stream",
    "redis_password",
];

/// Help shows these; the others are taken all the same, so that one environment suits every command.
fn only(arg: Arg, shown: &[&str]) -> Arg {
    let hidden = !shown.contains(&arg.get_id().as_str());
    arg.hide(hidden)
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(crate) struct RunArguments {
    /// Configuration file (JSON)
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print every notice as one JSON object a line
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Let simulated devices come and go
    #[arg(long, env = "USB_DAEMON_SIMULATE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) simulate: bool,
    /// Publish nothing
    #[arg(long, env = "USB_DAEMON_NO_REDIS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) no_redis: bool,
    /// Where events are stored, or `:memory:` [default: usb-daemon/outbox.db where this system keeps state]
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_OUTBOX", hide_env_values = true)]
    outbox: Option<PathBuf>,
    /// Do not run where the outbox cannot be used
    #[arg(long, env = "USB_DAEMON_OUTBOX_REQUIRED", hide_env_values = true, value_parser = FalseyValueParser::new())]
    outbox_required: bool,
    /// Wait for the disk at each commit, so that events survive a loss of power
    #[arg(long, env = "USB_DAEMON_OUTBOX_FSYNC", hide_env_values = true, value_parser = FalseyValueParser::new())]
    outbox_fsync: bool,
    /// redis://, rediss:// or redis+unix://; better given in the environment where it holds a password
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// Host of the Redis server [default: localhost]
    #[arg(long, value_name = "HOST", env = "REDIS_HOST", hide_env_values = true)]
    redis_host: Option<String>,
    /// Port of the Redis server [default: 6379]
    #[arg(long, value_name = "PORT", env = "REDIS_PORT", hide_env_values = true)]
    redis_port: Option<u16>,
    /// Database of the Redis server [default: 0]
    #[arg(long, value_name = "NUMBER", env = "REDIS_DB", hide_env_values = true)]
    redis_db: Option<u32>,
    /// ACL user of the Redis server
    #[arg(long, value_name = "NAME", env = "REDIS_USERNAME", hide_env_values = true)]
    redis_username: Option<String>,
    /// Key of the stream [default: aw:hotplug]
    #[arg(long, value_name = "KEY", env = "REDIS_STREAM", hide_env_values = true)]
    redis_stream: Option<String>,
    /// Password of the Redis server; better given in the environment, where `ps` does not show it
    #[arg(long, value_name = "PASSWORD", env = "REDIS_PASSWORD", hide_env_values = true)]
    redis_password: Option<String>,
    /// Address that the health endpoint listens on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", env = "USB_DAEMON_HTTP_HOST", hide_env_values = true)]
    http_host: Option<IpAddr>,
    /// Port of the health endpoint [default: 8080]
    #[arg(long, value_name = "PORT", env = "USB_DAEMON_HTTP_PORT", hide_env_values = true)]
    http_port: Option<u16>,
    /// No health endpoint
    #[arg(long, env = "USB_DAEMON_NO_HTTP", hide_env_values = true, value_parser = FalseyValueParser::new())]
    no_http: bool,
    /// Reconcile period in ms [default: 5000]
    #[arg(long, value_name = "MS", env = "USB_DAEMON_INTERVAL", hide_env_values = true)]
    interval: Option<u32>,
}

impl RunArguments {
    /// The configuration file with the arguments over it, as JSON.
    pub(crate) fn configuration(&self) -> Result<Value, Error> {
        let mut root = match &self.config {
            Some(path) => read(path)?,
            None => Map::new(),
        };
        let mut set = |section: &str, key: &str, value: Option<Value>| {
            let Some(value) = value else { return };
            let section = root.entry(section).or_insert_with(|| json!({}));
            if *section == Value::Bool(false) {
                *section = json!({});
            }
            // Anything else is refused, by name, when the configuration is read.
            if let Value::Object(keys) = section {
                keys.insert(key.to_owned(), value);
            }
        };
        let path = |path: &PathBuf| Value::from(path.to_string_lossy());
        set("outbox", "path", self.outbox.as_ref().map(path));
        set("outbox", "required", self.outbox_required.then_some(true.into()));
        set("outbox", "fsync", self.outbox_fsync.then_some(true.into()));
        set("redis", "url", self.redis_url.as_deref().map(Value::from));
        set("redis", "username", self.redis_username.as_deref().map(Value::from));
        set("redis", "stream", self.redis_stream.as_deref().map(Value::from));
        set("redis", "host", self.redis_host.as_deref().map(Value::from));
        set("redis", "port", self.redis_port.map(Value::from));
        set("redis", "db", self.redis_db.map(Value::from));
        set("redis", "password", self.redis_password.as_deref().map(Value::from));
        set("monitoring", "host", self.http_host.map(|address| address.to_string().into()));
        set("monitoring", "healthcheck_port", self.http_port.map(Value::from));
        set("monitoring", "enabled", self.no_http.then_some(false.into()));
        set("monitoring", "interval", self.interval.map(Value::from));
        // Whatever else is there is refused, by name, when the configuration is read.
        if let Value::Object(outbox) = root.entry("outbox").or_insert_with(|| json!({}))
            && !outbox.contains_key("path")
            && let Some(default) = outbox_path::default()
        {
            outbox.insert("path".into(), default.to_string_lossy().into());
        }
        if self.no_redis {
            root.insert("redis".into(), false.into());
        }
        if self.simulate {
            simulate(&mut root);
        }
        Ok(Value::Object(root))
    }
}

/// Adds the simulated source to whatever the file says about sources.
fn simulate(root: &mut Map<String, Value>) {
    match root.entry("sources").or_insert_with(|| json!({})) {
        Value::Array(names) => names.push("simulated".into()),
        Value::Object(switches) => {
            switches.insert("simulated".into(), true.into());
        }
        // Anything else is refused, by name, when the configuration is read.
        _ => {}
    }
}

pub(crate) fn read(path: &PathBuf) -> Result<Map<String, Value>, Error> {
    let bad = |why: String| Error::new(Code::Config, format!("configuration file {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(args: &[&str]) -> Value {
        let args = std::iter::once("usb-daemon").chain(args.iter().copied());
        Arguments::try_parse_from(args)
            .expect("valid arguments")
            .run
            .configuration()
            .expect("a configuration")
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
