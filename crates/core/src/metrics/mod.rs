//! Metrics: what the daemon has counted and what it is like now, under fixed names.
//!
//! [`names`] has every name. `figures` counts what happens, where it happens, without waiting or allocating. A [`Snapshot`]
//! of all of it is made only when somebody asks: a scrape ([`Format`] writes it), the OTLP exporter, or JavaScript.

mod exposition;
mod histogram;
pub mod names;
mod process;
mod snapshot;

pub use exposition::Format;
pub use snapshot::{Distribution, Family, Label, Series, Snapshot, Value};
