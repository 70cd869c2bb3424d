//! Metrics: what the daemon has counted and what it is like now, under fixed names.
//!
//! [`names`] has every name. `figures` counts what happens, where it happens, without waiting or allocating. A [`Snapshot`]
//! of all of it is made only when somebody asks: a scrape ([`Format`] writes it), the OTLP exporter, or JavaScript.

mod counters;
mod exposition;
mod figures;
mod gather;
mod groups;
mod histogram;
pub mod names;
mod redis;
mod snapshot;
mod usability;

use std::sync::Arc;
use std::time::Duration;

pub use exposition::Format;
pub use histogram::BOUNDS_MS;
pub use snapshot::{Distribution, Family, Label, Series, Snapshot, Value};

use crate::clock;
use crate::host::{EventLoop, LoopDelay};
use crate::hub::Hub;
use crate::onlooker::Onlooker;
use figures::Figures;

/// A daemon's counters before it has begun: to be among its onlookers from the first moment.
pub struct Counting {
    figures: Arc<Figures>,
    started_at_ms: u64,
}

/// A daemon's metrics.
pub struct Metrics {
    figures: Arc<Figures>,
    hub: Hub,
    event_loop: Option<Arc<EventLoop>>,
    settings: Settings,
    started_at_ms: u64,
}

/// What the configuration says of what is told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Events go to Redis.
    pub publishes: bool,
    /// So many may wait for it.
    pub capacity: u64,
}

impl Counting {
    /// Counters at 0.
    pub fn begin() -> Self {
        Self { figures: Arc::new(Figures::new()), started_at_ms: clock::now_ms() }
    }

    /// Who has to be told of all that happens.
    pub fn onlooker(&self) -> Arc<dyn Onlooker> {
        Arc::clone(&self.figures) as Arc<dyn Onlooker>
    }

    /// The metrics, once there is a hub.
    pub fn of(self, hub: Hub, event_loop: Option<Arc<EventLoop>>, settings: Settings) -> Metrics {
        let Self { figures, started_at_ms } = self;
        Metrics { figures, hub, event_loop, settings, started_at_ms }
    }
}

impl Metrics {
    /// All figures now. The event loop gets so long to show that it is free.
    pub async fn ask(&self, patience: Duration) -> Snapshot {
        let delay = match &self.event_loop {
            Some(event_loop) => Some(event_loop.delay(patience).await),
            None => None,
        };
        self.snapshot(delay)
    }

    /// All figures now, with what is known of the event loop.
    pub fn snapshot(&self, event_loop: Option<LoopDelay>) -> Snapshot {
        Snapshot {
            started_at_ms: self.started_at_ms,
            taken_at_ms: clock::now_ms(),
            families: gather::families(self, event_loop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Delivery;
    use crate::outbox::StatusBoard;

    #[test]
    fn each_metric_has_its_family_in_the_order_of_the_names() {
        let counting = Counting::begin();
        let delivery = Arc::new(Delivery::new(1, Box::new(|| ())));
        let hub = Hub::new(delivery, StatusBoard::default(), vec![counting.onlooker()]);
        let settings = Settings { publishes: true, capacity: 7 };
        let metrics = counting.of(hub, None, settings);
        let snapshot = metrics.snapshot(Some(LoopDelay { responding: true, delay_ms: 0.5 }));
        let told: Vec<&names::Metric> = snapshot.families.iter().map(|family| family.metric).collect();
        assert_eq!(told, names::ALL.iter().collect::<Vec<_>>());
        assert!(snapshot.families.iter().all(|family| !family.series.is_empty()));
        for format in [Format::Text, Format::OpenMetrics] {
            assert!(format.write(snapshot.clone()).is_ok());
        }
        let unasked = metrics.snapshot(None);
        let absent = unasked.families.iter().filter(|family| family.series.is_empty());
        let absent: Vec<&names::Metric> = absent.map(|family| family.metric).collect();
        assert_eq!(
            absent,
            [&names::LOOP_DELAY, &names::LOOP_BLOCKED],
            "of who was not asked nothing is known"
        );
        assert!(Format::Text.write(unasked).is_ok_and(|text| !text.contains("\nusb_event_loop")));
    }
}
