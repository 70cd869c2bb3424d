//! A snapshot as Prometheus reads it: in its text format, or in `OpenMetrics` for who asks for that.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as ClientUnit};

use super::names::{Kind, Metric, Unit};
use super::snapshot::{Distribution, Series, Snapshot, Value};

/// How figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Text,
    /// `OpenMetrics`, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The one that an Accept header asks for: `OpenMetrics` only for who names it, and not after the other.
    pub fn negotiate(accept: &str) -> Self {
        let mut weights = [0.0_f32; 2];
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut weight = 1.0;
            let mut is_known = true;
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => weight = value.trim().parse().unwrap_or(0.0),
                    "version" => {
                        is_known = matches!(value.trim().trim_matches('"'), "0.0.1" | "0.0.4" | "1.0.0");
                    }
                    _ => {}
                }
            }
            let at = match kind.as_str() {
                "application/openmetrics-text" => 0,
                "text/plain" | "text/*" => 1,
                _ => continue,
            };
            if is_known {
                weights[at] = weights[at].max(weight);
            }
        }
        if weights[0] > 0.0 && weights[0] >= weights[1] { Self::OpenMetrics } else { Self::Text }
    }

    /// For the Content-Type header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes all figures.
    ///
    /// # Errors
    /// Where the writer of the format refuses one of them, which no value of ours brings about.
    pub fn write(self, snapshot: Snapshot) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(snapshot));
        let mut written = String::new();
        match self {
            Self::Text => prometheus_text::encode(&mut written, &registry)?,
            Self::OpenMetrics => text::encode(&mut written, &registry)?,
        }
        Ok(written)
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for family in &self.families {
            let Metric { help, unit, kind, .. } = family.metric;
            let unit = client_unit(*unit);
            let mut encoder =
                encoder.encode_descriptor(stem(family.metric), help, unit.as_ref(), metric_type(*kind))?;
            for series in &family.series {
                write(&mut encoder, *kind, series)?;
            }
        }
        Ok(())
    }
}

fn write(encoder: &mut MetricEncoder, kind: Kind, Series { labels, value }: &Series) -> fmt::Result {
    if kind == Kind::Info {
        return encoder.encode_info(labels);
    }
    let labels = labels.as_slice();
    let mut encoder = encoder.encode_family(&labels)?;
    match (kind, value) {
        (Kind::Counter, Value::Count(count)) => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
        (Kind::Counter, Value::Number(number)) => encoder.encode_counter::<NoLabelSet, _, f64>(number, None),
        (_, Value::Count(count)) => encoder.encode_gauge(count),
        (_, Value::Number(number)) => encoder.encode_gauge(number),
        (_, Value::Distribution(distribution)) => {
            let Distribution { bounds, counts, sum } = distribution;
            let bounds = bounds.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
            encoder.encode_histogram::<NoLabelSet>(*sum, distribution.count(), &buckets, None)
        }
    }
}

/// A name without what the formats add themselves.
fn stem(metric: &'static Metric) -> &'static str {
    let name = metric.name;
    let name = match metric.kind {
        Kind::Counter => name.strip_suffix("_total").unwrap_or(name),
        Kind::Info => name.strip_suffix("_info").unwrap_or(name),
        Kind::UpDownCounter | Kind::Gauge | Kind::Histogram => name,
    };
    let word = metric.unit.word().and_then(|word| name.strip_suffix(word));
    word.and_then(|name| name.strip_suffix('_')).unwrap_or(name)
}

fn client_unit(unit: Unit) -> Option<ClientUnit> {
    match unit {
        Unit::None => None,
        Unit::Seconds => Some(ClientUnit::Seconds),
        Unit::Milliseconds => Some(ClientUnit::Other("ms".into())),
        Unit::Bytes => Some(ClientUnit::Bytes),
    }
}

fn metric_type(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::UpDownCounter | Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::super::snapshot::{labelled, single};
    use super::*;

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let without = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5";
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html, garbage;;=,q", Format::Text),
            (prometheus, Format::OpenMetrics),
            (without, Format::Text),
            ("Application/OpenMetrics-Text; q=\"1\"", Format::Text),
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
        ] {
            assert_eq!(Format::negotiate(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn names_are_exact_in_both_formats_and_a_groups_name_is_no_markup() {
        let distribution = Distribution { bounds: &[0.5, 1.0], counts: vec![1, 0, 2], sum: 7.5 };
        let families = vec![
            single(&names::PROCESSING_MS, distribution),
            labelled(&names::GROUP_LAG, "group", [("a\"b\\c\nd".to_owned(), 3_u64)]),
            single(&names::CPU, 0.25),
            labelled(&names::BUILD, "version", [("1.2.3", 1_u64)]),
        ];
        let snapshot = Snapshot { started_at_ms: 0, taken_at_ms: 0, families };
        let plain = Format::Text.write(snapshot.clone()).expect("text");
        let without_comments = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        let expected = [
            "usb_event_processing_duration_ms_bucket{le=\"0.5\"} 1",
            "usb_event_processing_duration_ms_bucket{le=\"1\"} 1",
            "usb_event_processing_duration_ms_bucket{le=\"+Inf\"} 3",
            "usb_event_processing_duration_ms_sum 7.5",
            "usb_event_processing_duration_ms_count 3",
            "usb_consumer_group_lag{group=\"a\\\"b\\\\c\\nd\"} 3",
            "process_cpu_seconds_total 0.25",
            "usb_daemon_build_info{version=\"1.2.3\"} 1",
        ];
        assert_eq!(without_comments(&plain), expected);
        let open = Format::OpenMetrics.write(snapshot).expect("OpenMetrics");
        let mut open_lines = without_comments(&open);
        let mut sorted = expected.map(|line| line.replace("le=\"1\"", "le=\"1.0\"")).to_vec();
        open_lines.sort();
        sorted.sort();
        assert_eq!(open_lines, sorted);
        assert!(open.contains("# UNIT usb_event_processing_duration_ms ms\n") && open.ends_with("# EOF\n"));
    }
}
