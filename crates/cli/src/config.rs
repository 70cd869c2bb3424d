//! `usb-daemon config`: what is in force, and where each value comes from.

use std::collections::HashMap;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use serde_json::{Map, Value, json};
use usb_daemon_core::{Config, Error, Reading, schema};

use crate::line::on_one_line;
use crate::masking::masked;
use crate::printer::print_once;
use crate::run_arguments::RunArguments;
use crate::status;
use crate::style::{Ink, Style};

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon config                                  what `usb-daemon run` would have here
  usb-daemon config --config /etc/usb-daemon.json    with that file: also a check of it, by the exit code
  usb-daemon config --json | jq 'select(.source != \"default\")'
  usb-daemon config --schema > usb-daemon.schema.json

Options go before environment variables, these before the configuration file, and that before the defaults. Secrets are \
masked. What has no effect is said on stderr; with --json on stdout, as {\"type\":\"warning\", …}.

Exit codes:
  0  the configuration is good
  1  failed
  2  bad arguments or configuration";

/// The widest value that the column beside it makes room for.
const WIDEST: usize = 32;

#[derive(Args, Debug)]
pub(crate) struct ConfigArguments {
    /// Print the JSON Schema of a configuration file, for editors
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    run: RunArguments,
    /// Where each option comes from, by its name within clap.
    #[arg(skip)]
    origins: HashMap<String, Origin>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Default,
    File(String),
    Environment(String),
    Option(String),
}

impl Origin {
    fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Default => ("default", None),
            Self::File(path) => ("file", Some(path)),
            Self::Environment(variable) => ("environment", Some(variable)),
            Self::Option(option) => ("option", Some(option)),
        }
    }
}

impl ConfigArguments {
    /// Notes which options were given, and which come from a variable.
    pub(crate) fn learn_origins(&mut self, command: &clap::Command, matches: &ArgMatches) {
        let Some((name, matches)) = matches.subcommand() else { return };
        let arguments = command.find_subcommand(name).into_iter().flat_map(clap::Command::get_arguments);
        for argument in arguments {
            let id = argument.get_id().as_str();
            let origin = match matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id)) {
                Some(ValueSource::CommandLine) => {
                    argument.get_long().map(|long| format!("--{long}")).map(Origin::Option)
                }
                Some(ValueSource::EnvVariable) => {
                    argument.get_env().map(|name| Origin::Environment(name.to_string_lossy().into_owned()))
                }
                _ => None,
            };
            self.origins.extend(origin.map(|origin| (id.to_owned(), origin)));
        }
    }

    fn origin(&self, path: &str, file: &Map<String, Value>) -> Origin {
        let settings = self.run.settings();
        let setting = settings.iter().find(|setting| path == format!("{}.{}", setting.section, setting.key));
        let option = match path {
            "redis" if self.run.no_redis => Some("no_redis"),
            "sources.simulated" if self.run.simulate => Some("simulate"),
            _ => setting.map(|setting| setting.option),
        };
        if let Some(origin) = option.and_then(|option| self.origins.get(option)) {
            return origin.clone();
        }
        match &self.run.config {
            Some(name) if says(file, path) => Origin::File(name.display().to_string()),
            _ => Origin::Default,
        }
    }
}

/// Whether the file decides what is at `path`: by itself, or by what stands in the place of all around it.
fn says(file: &Map<String, Value>, path: &str) -> bool {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    match (file.get(key), rest) {
        (Some(Value::Object(inner)), Some(rest)) => says(inner, rest),
        // A section that is off, but for an option that has put its own there.
        (None, _) | (Some(Value::Bool(false)), Some(_)) => false,
        (Some(_), _) => true,
    }
}

/// Prints each key.
pub(crate) fn config(arguments: &ConfigArguments) -> Result<(), Error> {
    if arguments.schema {
        return print_once(&format!("{:#}\n", schema().as_value()));
    }
    let file = arguments.run.file()?;
    let Reading { config, mut warnings } = Config::read(&arguments.run.over(file.clone()).to_string())?;
    // Numbers, texts and lists: nothing in it can fail to be written.
    let root = serde_json::to_value(&config).unwrap_or_default();
    let mut rows = Vec::new();
    leaves(&root, "", &mut |path, value| {
        let origin = arguments.origin(path, &file);
        match overruled(&root, path) {
            Some(by) if origin != Origin::Default => {
                warnings.push(format!("{path} has no effect: {by} goes before it"));
            }
            Some(_) => {}
            None => rows.push((path.to_owned(), masked(path, value), origin)),
        }
    });
    if arguments.run.json {
        return print_once(&objects(&rows, &warnings));
    }
    print_once(&table(&rows, Style::of_stdout()))?;
    for warning in warnings {
        status(&format!("warning: {warning}"));
    }
    Ok(())
}

fn leaves(value: &Value, path: &str, each: &mut impl FnMut(&str, &Value)) {
    let Value::Object(object) = value else { return each(path, value) };
    for (key, value) in object {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        leaves(value, &path, each);
    }
}

/// The key that is in force in the place of this one.
fn overruled(root: &Value, path: &str) -> Option<&'static str> {
    let redis = &root["redis"];
    match path {
        "redis.host" | "redis.port" | "redis.path" if redis["url"].is_string() => Some("redis.url"),
        "redis.host" | "redis.port" if redis["path"].is_string() => Some("redis.path"),
        _ => None,
    }
}

type Row = (String, Value, Origin);

fn objects(rows: &[Row], warnings: &[String]) -> String {
    let rows = rows.iter().map(|(key, value, origin)| {
        let (source, name) = origin.parts();
        json!({ "type": "key", "key": key, "value": value, "source": source, "name": name })
    });
    let warnings = warnings.iter().map(|warning| json!({ "type": "warning", "message": warning }));
    let lines = rows.chain(warnings).map(|object| object.to_string() + "\n");
    lines.collect()
}

fn table(rows: &[Row], style: Style) -> String {
    let texts = rows.iter().map(|(key, value, origin)| (key, on_one_line(&value.to_string()), origin));
    let texts = texts.collect::<Vec<_>>();
    let widest =
        |length: fn(&(&String, String, &Origin)) -> usize| texts.iter().map(length).max().unwrap_or(0);
    let keys = widest(|(key, ..)| key.len());
    let values = widest(|(_, value, _)| value.chars().count()).min(WIDEST);
    let line = |(key, value, origin): &(&String, String, &Origin)| {
        let ink = if **origin == Origin::Default { Ink::Faint } else { Ink::Strong };
        let (source, name) = origin.parts();
        let origin = name.map_or_else(|| source.to_owned(), |name| format!("{source} {}", on_one_line(name)));
        format!("{key:<keys$}  {value:<values$}  {}\n", style.paint(ink, &origin))
    };
    texts.iter().map(line).collect()
}
