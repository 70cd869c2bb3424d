//! A snapshot: all figures at one moment, under their names. What is scraped is written from it, what goes out by OTLP is
//! made from it, and JavaScript's meters read it, so that all three tell the same.
//!
//! # For who sends it elsewhere
//!
//! [`Snapshot::families`] has one [`Family`] for each metric of [`super::names::ALL`], in that order. A family knows its
//! [`Metric`] (name, help, unit, kind) and has its series: labels and a value. In OTLP's words:
//!
//! - [`Kind::Counter`]: a monotonic cumulative Sum that began at [`Snapshot::started_at_ms`] (for those that begin with
//!   `process_`: at the value of `process_start_time_seconds`); the value is [`Value::Count`], or [`Value::Number`] where it
//!   has a fraction.
//! - [`Kind::UpDownCounter`]: a Sum that is not monotonic. [`Kind::Gauge`] and [`Kind::Info`]: a Gauge.
//! - [`Kind::Histogram`]: [`Value::Distribution`], whose `bounds` and `counts` are OTLP's `explicit_bounds` and
//!   `bucket_counts` as they are: one count more than there are bounds, and none of them cumulative.
//!
//! All of them are as of [`Snapshot::taken_at_ms`]. Every series is there from the start, at 0; those of the event loop are
//! where it was asked.
//!
//! [`Kind::Counter`]: super::names::Kind::Counter
//! [`Kind::UpDownCounter`]: super::names::Kind::UpDownCounter
//! [`Kind::Gauge`]: super::names::Kind::Gauge
//! [`Kind::Info`]: super::names::Kind::Info
//! [`Kind::Histogram`]: super::names::Kind::Histogram

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::names::Metric;

/// All figures at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// When the daemon started, in ms since 1970: counters count from there.
    pub started_at_ms: u64,
    /// When this was taken, in ms since 1970.
    pub taken_at_ms: u64,
    /// Each metric, in the order of their names' file.
    pub families: Vec<Family>,
}

/// One metric with its series.
#[derive(Clone, Debug, Serialize)]
pub struct Family {
    /// What it is.
    #[serde(flatten)]
    pub metric: &'static Metric,
    /// Its values; without labels there is one, or none where it is not known.
    pub series: Vec<Series>,
}

/// One value and what tells it from others of its family.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// Names and values of labels.
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// The value.
    pub value: Value,
}

/// Name and value of a label.
pub type Label = (&'static str, Cow<'static, str>);

/// A value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// A number with a fraction.
    Number(f64),
    /// How many there were of each size.
    Distribution(Distribution),
}

/// How many there were of each size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// Upper bounds of the buckets, which belong to them; the last bucket has none.
    pub bounds: &'static [f64],
    /// How many are in each bucket.
    pub counts: Vec<u64>,
    /// Sum of all.
    pub sum: f64,
}

impl Distribution {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

fn as_map<S: Serializer>(labels: &[Label], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(labels.len()))?;
    for (name, value) in labels {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<bool> for Value {
    fn from(holds: bool) -> Self {
        Self::Count(holds.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Distribution> for Value {
    fn from(distribution: Distribution) -> Self {
        Self::Distribution(distribution)
    }
}

/// A family of one value without labels.
pub(super) fn single(metric: &'static Metric, value: impl Into<Value>) -> Family {
    Family { metric, series: vec![Series { labels: Vec::new(), value: value.into() }] }
}

/// A family of one value without labels, where it is known.
pub(super) fn known(metric: &'static Metric, value: Option<impl Into<Value>>) -> Family {
    let series = value.map(|value| Series { labels: Vec::new(), value: value.into() });
    Family { metric, series: series.into_iter().collect() }
}

/// A family with one label, which is called `name`.
pub(super) fn labelled<L: Into<Cow<'static, str>>, V: Into<Value>>(
    metric: &'static Metric,
    name: &'static str,
    values: impl IntoIterator<Item = (L, V)>,
) -> Family {
    let series = values
        .into_iter()
        .map(|(label, value)| Series { labels: vec![(name, label.into())], value: value.into() })
        .collect();
    Family { metric, series }
}

/// A family with two labels, which are called `names`.
pub(super) fn crossed<V: Into<Value>>(
    metric: &'static Metric,
    names: [&'static str; 2],
    values: impl IntoIterator<Item = ([&'static str; 2], V)>,
) -> Family {
    let series = values
        .into_iter()
        .map(|(labels, value)| Series {
            labels: names.into_iter().zip(labels.map(Cow::Borrowed)).collect(),
            value: value.into(),
        })
        .collect();
    Family { metric, series }
}
