//! Logs: to stderr, for a person on a terminal and as JSON in a pipe; and to a collector, where the environment names one.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;

use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry, registry};
use usb_daemon_core::{Signal, Telemetry};

use crate::exported::Lines;
use crate::line::on_one_line;
use crate::style::Style;

/// What writes lines, or hands them on.
type Writing = Box<dyn Layer<Registry> + Send + Sync>;

/// What a run has to say it says in its own lines.
const ERRORS: &str = "error";
/// What is lost on the way to a collector is said nowhere else.
const ERRORS_AND_LOSSES: &str = "error,usb_daemon_core::telemetry=warn";
const LIFE_CYCLE: &str = "info";

/// Starts logging at `RUST_LOG`, else `LOG_LEVEL`, else errors only. A collector gets the life cycle as well.
pub(crate) fn start(telemetry: Option<&Arc<Telemetry>>) -> Result<(), String> {
    let variable = |name: &str| std::env::var(name).ok();
    let writing = if stderr().is_terminal() { human(stderr, Style::of_stderr()) } else { json(stderr) };
    let exports = telemetry.is_some_and(|telemetry| !telemetry.settings().is_off());
    let otherwise = if exports { ERRORS_AND_LOSSES } else { ERRORS };
    let mut layers: Vec<Writing> = vec![writing.with_filter(filter(variable, otherwise)?).boxed()];
    if let Some(telemetry) = telemetry.filter(|telemetry| telemetry.settings().exports(Signal::Logs)) {
        let exported = Lines(Arc::clone(telemetry)).with_filter(filter(variable, LIFE_CYCLE)?);
        layers.push(exported.boxed());
    }
    // Refused where the process has a logger already: that one is the host's, and stays.
    let _ = registry().with(layers).try_init();
    Ok(())
}

/// What is asked for, or else this.
fn filter(variable: impl Fn(&str) -> Option<String>, otherwise: &str) -> Result<Targets, String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let level = |level: LevelFilter| Targets::new().with_default(level);
    match (set("RUST_LOG"), set("LOG_LEVEL")) {
        (Some(directives), _) => {
            directives.parse().map_err(|error: ParseError| format!("RUST_LOG is {directives:?}: {error}"))
        }
        (None, Some(name)) => name.parse().map(level).map_err(|_| {
            format!("LOG_LEVEL is {name:?}: expected error, warn, info, debug or trace, or off")
        }),
        (None, None) => otherwise.parse().map_err(|error: ParseError| error.to_string()),
    }
}

/// Whatever a device or a server says stays on its line.
fn human(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static, style: Style) -> Writing {
    let fields = debug_fn(|out, field, value| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => out.write_str(&on_one_line(&value)),
            name => write!(out, "{name}={}", on_one_line(&value)),
        }
    });
    fmt::layer()
        .with_writer(writer)
        .with_ansi(style == Style::Color)
        // Where stderr is full there is nobody to be told of it.
        .log_internal_errors(false)
        .fmt_fields(fields.delimited(" "))
        .boxed()
}

fn json(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) -> Writing {
    fmt::layer().json().with_writer(writer).log_internal_errors(false).boxed()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn text(&self) -> String {
            let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            String::from_utf8(bytes).expect("UTF-8")
        }

        fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
            let this = self.clone();
            move || this.clone()
        }
    }

    fn env(set: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn asked(set: &'static [(&'static str, &'static str)]) -> Result<Targets, String> {
        filter(env(set), ERRORS)
    }

    const HOSTILE: &str = "a\n\u{1b}[31mb\u{9b}2J\r";

    fn say(writing: Writing, filter: Targets) {
        tracing::subscriber::with_default(registry().with(writing.with_filter(filter)), || {
            tracing::debug!(event_id = "a1:7", product = HOSTILE, port = %HOSTILE, waiting = 3, "announced");
            tracing::debug!("{HOSTILE}");
        });
    }

    #[test]
    fn nothing_that_a_device_says_leaves_its_line_or_colors_it() {
        let written = Written::default();
        let filter = asked(&[("LOG_LEVEL", "Debug")]).expect("a level");
        say(human(written.writer(), Style::Plain), filter);
        let text = written.text();
        let lines: Vec<&str> =
            text.lines().map(|line| line.split_once("DEBUG").expect("the level").1).collect();
        let escaped = "a\\n\\u{1b}[31mb\\u{9b}2J\\r";
        let target = module_path!();
        assert_eq!(
            lines,
            [
                format!(
                    " {target}: announced event_id=\"a1:7\" product=\"{escaped}\" port={escaped} waiting=3"
                ),
                format!(" {target}: {escaped}")
            ]
        );
    }

    #[test]
    fn there_is_color_where_it_is_wanted() {
        for (style, colored) in [(Style::Plain, false), (Style::Color, true)] {
            let written = Written::default();
            say(human(written.writer(), style), asked(&[("LOG_LEVEL", "debug")]).expect("a level"));
            assert_eq!(written.text().contains("\u{1b}["), colored, "{style:?}");
        }
    }

    #[test]
    fn in_a_pipe_each_line_is_an_object_with_the_event_that_it_is_about() {
        let written = Written::default();
        let filter = asked(&[("RUST_LOG", "debug"), ("LOG_LEVEL", "loud")]).expect("RUST_LOG first");
        say(json(written.writer()), filter);
        let text = written.text();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let fields = serde_json::json!({
            "message": "announced", "event_id": "a1:7", "product": HOSTILE, "port": HOSTILE, "waiting": 3
        });
        assert_eq!((lines.len(), &lines[0]["level"], &lines[0]["fields"]), (2, &"DEBUG".into(), &fields));
        assert_eq!(lines[1]["fields"]["message"], HOSTILE);
    }

    #[test]
    fn a_level_that_there_is_not_is_refused_by_name() {
        let refusal = |set| asked(set).map(|filter| filter.to_string()).expect_err("refused");
        let expected = "LOG_LEVEL is \"loud\": expected error, warn, info, debug or trace, or off";
        assert_eq!(refusal(&[("RUST_LOG", ""), ("LOG_LEVEL", "loud")]), expected);
        assert!(refusal(&[("RUST_LOG", "a=b=c")]).starts_with("RUST_LOG is \"a=b=c\": "));
        let level = |set| asked(set).expect("a level").to_string();
        assert_eq!(level(&[]), "error");
        assert_eq!(level(&[("LOG_LEVEL", "OFF")]), "off");
        assert_eq!(
            level(&[("RUST_LOG", "usb_daemon_core=trace"), ("LOG_LEVEL", "warn")]),
            "usb_daemon_core=trace"
        );
    }
}
