//! One line, as whoever listens gets it.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use crate::clock;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// Which part of the daemon says so.
    pub target: &'static str,
    /// What: constant text, as far as it is no error's.
    pub message: String,
    /// About what. A device's strings are as the device has them.
    pub fields: Map<String, Value>,
    /// When, in ms since 1970.
    pub timestamp: u64,
    /// Of the event that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

impl LogLine {
    fn new(level: Level, target: &'static str) -> Self {
        Self {
            level: match level {
                Level::ERROR => "error",
                Level::WARN => "warn",
                Level::INFO => "info",
                Level::DEBUG => "debug",
                Level::TRACE => "trace",
            },
            target,
            message: String::new(),
            fields: Map::new(),
            timestamp: clock::now_ms(),
            event_id: None,
        }
    }

    /// What `tracing` has been told.
    pub fn of(event: &tracing::Event<'_>) -> Self {
        let metadata: &'static Metadata<'static> = event.metadata();
        let mut line = Self::new(*metadata.level(), metadata.target());
        event.record(&mut line);
        line
    }

    /// So many lines found no room.
    pub(super) fn lost(count: u64) -> Self {
        let fields = Map::from_iter([("lost".to_owned(), count.into())]);
        let message = "lines lost: whoever listens is too slow".to_owned();
        Self { message, fields, ..Self::new(Level::WARN, super::TARGET) }
    }

    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        match (field.name(), value.into()) {
            ("message", Value::String(text)) => self.message = text,
            ("event_id", Value::String(id)) => self.event_id = Some(id),
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for LogLine {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}
