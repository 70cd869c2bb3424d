//! A line of the log, as it is exported.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::clock;

/// A line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// How grave it is.
    pub level: Level,
    /// Which part of the program says so.
    pub target: &'static str,
    /// What.
    pub message: String,
    /// About what.
    pub fields: Map<String, Value>,
    /// When, in ms since 1970.
    pub timestamp_ms: u64,
    /// Of the event that it is about, if it is about one.
    pub event_id: Option<String>,
}

impl LogRecord {
    /// What `tracing` has been told.
    pub fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            level: *metadata.level(),
            target: metadata.target(),
            message: String::new(),
            fields: Map::new(),
            timestamp_ms: clock::now_ms(),
            event_id: None,
        };
        event.record(&mut line);
        line
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

impl Visit for LogRecord {
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
