//! `usb-daemon config`: what is in force, and where each value comes from.

use clap::Args;
use serde_json::{Value, json};
use usb_daemon_core::{Error, Reading, UrlPart, schema, url_says};

use crate::layers::leaves;
use crate::line::on_one_line;
use crate::masking::masked;
use crate::printer::print_once;
use crate::run_arguments::RunArguments;
use crate::setting::Origin;
use crate::status;
use crate::style::{Ink, Style};
use crate::yes_or_no::yes_or_no;

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
    #[arg(long, env = "USB_DAEMON_SCHEMA", hide_env_values = true, value_parser = yes_or_no)]
    schema: bool,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// Prints each key.
pub(crate) fn config(arguments: &ConfigArguments) -> Result<(), Error> {
    if arguments.schema {
        return print_once(&format!("{:#}\n", schema()));
    }
    let layers = arguments.run.layers()?;
    let Reading { config, mut warnings } = layers.read()?;
    // Numbers, texts and lists: nothing in it can fail to be written.
    let root = serde_json::to_value(&config).unwrap_or_default();
    let mut rows = Vec::new();
    leaves(&root, "", &mut |path, value| {
        let origin = layers.origin(path);
        match overruled(&root, path) {
            Some(by) if origin != Origin::Default => {
                warnings.push(format!("{path} ({}) has no effect: {by} goes before it", origin.name()));
            }
            Some(_) => {}
            None => rows.push((path.to_owned(), masked(path, value), origin)),
        }
    });
    for (path, origin) in layers.hidden() {
        warnings.push(format!("{path} of the file has no effect: {} goes before it", origin.name()));
    }
    if arguments.run.json {
        return print_once(&objects(&rows, &warnings));
    }
    print_once(&table(&rows, Style::of_stdout()))?;
    for warning in warnings {
        status(&format!("warning: {warning}"));
    }
    Ok(())
}

/// The key that is in force in the place of this one.
fn overruled(root: &Value, path: &str) -> Option<&'static str> {
    let redis = &root["redis"];
    let url_says = |part| redis["url"].as_str().is_some_and(|url| url_says(url, part));
    match path {
        "redis.db" if url_says(UrlPart::Db) => Some("redis.url"),
        "redis.username" if url_says(UrlPart::Username) => Some("redis.url"),
        "redis.password" if url_says(UrlPart::Password) => Some("redis.url"),
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
