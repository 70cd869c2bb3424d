//! Spans and lines as OTLP's messages.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Held;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{self as logs, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event as Moment, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{self as trace, ResourceSpans, ScopeSpans};
use prost::Message as _;

use super::NAME;
use super::ids::{ROOT, SpanId, TraceId};
use super::sampler::Sampler;
use super::settings::Signal;
use super::spans::{Attributes, Kind, Sighting, Span, Value};
use crate::log::LogLine;

/// Sampled, and its parent is no other process's.
const SAMPLED_AND_LOCAL: u32 = 0x101;

/// The messages of one `Settings`.
pub(super) struct Writer {
    resource: Resource,
    /// Absent where no traces are told of, so that a line cannot name one.
    traces: Option<Sampler>,
}

impl Writer {
    /// `instance` tells this process from others of the same service.
    pub(super) fn new(resource: &[(String, Value)], instance: &str, traces: Option<Sampler>) -> Self {
        let mut attributes: Vec<KeyValue> =
            resource.iter().map(|(key, value)| pair(key, spoken(value.clone()))).collect();
        if !resource.iter().any(|(key, _)| key == "service.instance.id") {
            attributes.push(pair("service.instance.id", Held::StringValue(instance.to_owned())));
        }
        Self { resource: Resource { attributes, ..Default::default() }, traces }
    }

    pub(super) fn traces(&self, spans: Vec<Span>) -> Vec<u8> {
        let scope_spans = ScopeSpans {
            scope: Some(scope()),
            spans: spans.into_iter().map(span).collect(),
            ..Default::default()
        };
        let resource_spans = ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![scope_spans],
            ..Default::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
    }

    pub(super) fn logs(&self, lines: Vec<LogLine>) -> Vec<u8> {
        let scope_logs = ScopeLogs {
            scope: Some(scope()),
            log_records: lines.into_iter().map(|line| self.line(line)).collect(),
            ..Default::default()
        };
        let resource_logs = ResourceLogs {
            resource: Some(self.resource.clone()),
            scope_logs: vec![scope_logs],
            ..Default::default()
        };
        ExportLogsServiceRequest { resource_logs: vec![resource_logs] }.encode_to_vec()
    }

    /// Figures.
    pub(super) fn metrics(&self, metrics: Vec<Metric>) -> Vec<u8> {
        let scope_metrics = ScopeMetrics { scope: Some(scope()), metrics, ..Default::default() };
        let resource_metrics = ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![scope_metrics],
            ..Default::default()
        };
        ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] }.encode_to_vec()
    }

    fn line(&self, line: LogLine) -> logs::LogRecord {
        let LogLine { level, target, message, fields, timestamp, event_id } = line;
        let time = timestamp.saturating_mul(1_000_000);
        let mut attributes: Vec<KeyValue> =
            fields.into_iter().map(|(key, value)| pair(&key, held(value))).collect();
        attributes.push(pair("log.target", Held::StringValue(target.to_owned())));
        let mut record = logs::LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: time,
            severity_number: severity(level),
            severity_text: level.to_uppercase(),
            body: Some(AnyValue { value: Some(Held::StringValue(message)) }),
            ..Default::default()
        };
        if let Some(event_id) = event_id {
            if let Some(sampler) = self.traces {
                let trace = TraceId::of(&event_id);
                record.trace_id = trace.0.to_vec();
                record.span_id = SpanId::of(&event_id, ROOT).0.to_vec();
                record.flags = u32::from(sampler.takes(trace));
            }
            attributes.push(pair("event_id", Held::StringValue(event_id)));
        }
        record.attributes = attributes;
        record
    }
}

/// What a collector's answer says of a message that it has taken: how much of it was refused all the same, and why.
pub(super) fn refused(signal: Signal, answer: &[u8]) -> Option<(u64, String)> {
    // An answer that is none says nothing: the message was taken.
    let (count, reason) = match signal {
        Signal::Traces => {
            let part = ExportTraceServiceResponse::decode(answer).ok()?.partial_success?;
            (part.rejected_spans, part.error_message)
        }
        Signal::Metrics => {
            let part = ExportMetricsServiceResponse::decode(answer).ok()?.partial_success?;
            (part.rejected_data_points, part.error_message)
        }
        Signal::Logs => {
            let part = ExportLogsServiceResponse::decode(answer).ok()?.partial_success?;
            (part.rejected_log_records, part.error_message)
        }
    };
    let count = u64::try_from(count).unwrap_or_default();
    (count > 0 || !reason.is_empty()).then_some((count, reason))
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: NAME.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    }
}

fn span(span: Span) -> trace::Span {
    let Span { trace, id, parent, name, kind, start, end, attributes, seen } = span;
    let kind = match kind {
        Kind::Internal => SpanKind::Internal,
        Kind::Producer => SpanKind::Producer,
    };
    let seen = seen.into_iter().map(|Sighting { source, at }| Moment {
        time_unix_nano: nanoseconds(at),
        name: "seen".to_owned(),
        attributes: pairs(vec![("usb.source", source.into())]),
        ..Default::default()
    });
    trace::Span {
        trace_id: trace.0.to_vec(),
        span_id: id.0.to_vec(),
        parent_span_id: parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        flags: SAMPLED_AND_LOCAL,
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(start),
        end_time_unix_nano: nanoseconds(end),
        attributes: pairs(attributes),
        events: seen.collect(),
        ..Default::default()
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// OpenTelemetry's number of a level.
fn severity(level: &str) -> i32 {
    match level {
        "error" => 17,
        "warn" => 13,
        "info" => 9,
        "debug" => 5,
        _ => 1,
    }
}

fn pairs(attributes: Attributes) -> Vec<KeyValue> {
    attributes.into_iter().map(|(key, value)| pair(key, spoken(value))).collect()
}

fn spoken(value: Value) -> Held {
    match value {
        Value::Text(text) => Held::StringValue(text),
        Value::Whole(number) => Held::IntValue(number),
        Value::Decimal(number) => Held::DoubleValue(number),
        Value::Flag(flag) => Held::BoolValue(flag),
    }
}

/// An attribute of a text.
pub(super) fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Held::StringValue(value.to_owned()))
}

fn pair(key: &str, value: Held) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn held(value: serde_json::Value) -> Held {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => Held::StringValue(text),
        Json::Bool(flag) => Held::BoolValue(flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Held::IntValue(whole),
            (None, decimal) => Held::DoubleValue(decimal.unwrap_or_default()),
        },
        other => Held::StringValue(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn an_answer_says_what_was_refused_and_garbage_says_nothing() {
        let answer = |rejected_spans, error_message: &str| {
            let partial_success =
                Some(ExportTracePartialSuccess { rejected_spans, error_message: error_message.to_owned() });
            ExportTraceServiceResponse { partial_success }.encode_to_vec()
        };
        assert_eq!(refused(Signal::Traces, &answer(3, "full")), Some((3, "full".to_owned())));
        assert_eq!(refused(Signal::Traces, &answer(0, "")), None);
        assert_eq!(refused(Signal::Traces, b"<html>\xff\xff"), None);
        assert_eq!(refused(Signal::Logs, b""), None);
    }
}
