//! Figures as OTLP's messages: what a snapshot says, as it says it.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

use super::otlp::text;
use crate::metrics::names::{self, Kind};
use crate::metrics::{Family, Series, Snapshot, Value};

/// Since when something counts, and until when; in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    from: u64,
    until: u64,
}

/// The figures of the daemon that has this number. The first one's have no number on them: as a rule there is one.
pub(super) fn metrics(snapshot: Snapshot, number: usize) -> Vec<Metric> {
    let nanoseconds = |ms: u64| ms.saturating_mul(1_000_000);
    let until = nanoseconds(snapshot.taken_at_ms);
    let process = process_start(&snapshot.families).unwrap_or(snapshot.started_at_ms);
    let mark = (number > 1).then(|| text("daemon", &number.to_string()));
    snapshot
        .families
        .into_iter()
        .filter(|family| !family.series.is_empty())
        .map(|family| {
            // A process has one of each of its own, whichever daemon tells it.
            let (started, mark) = if family.metric.is_of_process() {
                (process, None)
            } else {
                (snapshot.started_at_ms, mark.as_ref())
            };
            metric(family, Span { from: nanoseconds(started), until }, mark)
        })
        .collect()
}

/// Leaves what a process has once to the first of several daemons.
pub(super) fn tell_process_once(daemons: &mut [(usize, Snapshot)]) {
    for (_, snapshot) in daemons.iter_mut().skip(1) {
        snapshot.families.retain(|family| !family.metric.is_of_process());
    }
}

fn process_start(families: &[Family]) -> Option<u64> {
    let family = families.iter().find(|family| *family.metric == names::PROCESS_START)?;
    match family.series.first()?.value {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time since 1970")]
        Value::Number(seconds) => Some((seconds * 1000.0) as u64),
        Value::Count(seconds) => Some(seconds * 1000),
        Value::Distribution(_) => None,
    }
}

fn metric(Family { metric, series }: Family, span: Span, mark: Option<&KeyValue>) -> Metric {
    let temporality = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        Kind::Counter | Kind::UpDownCounter => Data::Sum(Sum {
            data_points: numbers(series, span, mark),
            aggregation_temporality: temporality,
            is_monotonic: metric.kind == Kind::Counter,
        }),
        Kind::Gauge | Kind::Info => Data::Gauge(Gauge { data_points: numbers(series, span, mark) }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: series.into_iter().filter_map(|series| distribution(series, span, mark)).collect(),
            aggregation_temporality: temporality,
        }),
    };
    Metric {
        name: metric.name.to_owned(),
        description: metric.help.to_owned(),
        unit: metric.unit.ucum().to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

fn numbers(series: Vec<Series>, span: Span, mark: Option<&KeyValue>) -> Vec<NumberDataPoint> {
    let point = |Series { labels, value }| {
        let value = match value {
            Value::Count(count) => Number::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
            Value::Number(number) => Number::AsDouble(number),
            Value::Distribution(_) => return None,
        };
        Some(NumberDataPoint {
            attributes: attributes(&labels, mark),
            start_time_unix_nano: span.from,
            time_unix_nano: span.until,
            value: Some(value),
            ..Default::default()
        })
    };
    series.into_iter().filter_map(point).collect()
}

fn distribution(
    Series { labels, value }: Series,
    span: Span,
    mark: Option<&KeyValue>,
) -> Option<HistogramDataPoint> {
    let Value::Distribution(distribution) = value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(&labels, mark),
        start_time_unix_nano: span.from,
        time_unix_nano: span.until,
        count: distribution.count(),
        sum: Some(distribution.sum),
        bucket_counts: distribution.counts,
        explicit_bounds: distribution.bounds.to_vec(),
        ..Default::default()
    })
}

fn attributes(labels: &[crate::metrics::Label], mark: Option<&KeyValue>) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| text(name, value)).chain(mark.cloned()).collect()
}
