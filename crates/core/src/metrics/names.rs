//! The names of all metrics, with their help, unit and kind. There is no other place where one is named: what is scraped,
//! what goes out by OTLP and what JavaScript's meters get are these.
//!
//! The specification (section 7) and the contract (section 4) fix [`EVENTS`], [`DEVICES`], [`PROCESSING_MS`] and
//! [`RESIDENT_MEMORY`]; those that begin with `process_` are Prometheus's own names for what a process uses; the others are
//! ours. Where a figure comes from is said in the help of each: it is what an operator reads.
//!
//! Label values are words of ours. The one that others choose is the name of a consumer group, and there are at most
//! 20 of those, and `other`.

use serde::Serialize;

/// One metric.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Metric {
    /// Its whole name, as it is scraped: with the unit, and with `_total` where it counts.
    pub name: &'static str,
    /// What it tells, for a person.
    pub help: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// How it moves.
    pub kind: Kind,
}

impl Metric {
    /// Whether it tells of the process, and not of one of its daemons.
    pub fn is_of_process(&self) -> bool {
        self.name.starts_with("process_")
    }
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Only up, from the start of the daemon.
    Counter,
    /// Up and down, by ones: sums of it mean something.
    UpDownCounter,
    /// It is what it is now.
    Gauge,
    /// A distribution since the start of the daemon.
    Histogram,
    /// Always 1: its labels are what it tells.
    Info,
}

/// What a metric is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A plain number.
    #[serde(rename = "")]
    None,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds, in the one metric that the specification wants so.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Bytes.
    #[serde(rename = "By")]
    Bytes,
}

impl Unit {
    /// As it ends a metric's name; None for a plain number.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Seconds => Some("seconds"),
            Self::Milliseconds => Some("ms"),
            Self::Bytes => Some("bytes"),
        }
    }

    /// As UCUM and OpenTelemetry write it.
    pub fn ucum(self) -> &'static str {
        match self {
            // Not 1: that is a share of something, and Prometheus makes its name end with _ratio.
            Self::None => "",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Bytes => "By",
        }
    }
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $unit:ident $name:literal, $help:literal;)*) => {
        $(
            #[doc = $help]
            #[allow(clippy::doc_markdown, reason = "the help goes out as it is, and nobody there reads Markdown")]
            pub const $constant: Metric =
                Metric { name: $name, help: $help, unit: Unit::$unit, kind: Kind::$kind };
        )*
        /// All of them, in the order in which they are told.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    EVENTS = Counter None "usb_events_total",
        "Transitions told since the daemon started, by what established them";
    DEVICES = UpDownCounter None "usb_devices_connected",
        "Devices that have been told of and have not left";
    PROCESSING_MS = Histogram Milliseconds "usb_event_processing_duration_ms",
        "From when a transition was observed to when subscribers were told, in milliseconds; those that reconciliation made are left out";
    PROCESSING = Histogram Seconds "usb_event_processing_duration_seconds",
        "From when a transition was observed to when subscribers were told; those that reconciliation made are left out";
    PUBLISHING = Histogram Seconds "usb_event_publish_duration_seconds",
        "From when a transition was observed to when Redis acknowledged it for the first time, outages and pacing included; those that reconciliation made are left out";
    STAGES = Histogram Seconds "usb_event_stage_duration_seconds",
        "Time in each stage: describe (observed to described), announce (to told), store (to stored), publish (to acknowledged); transitions that reconciliation made are left out";
    SYNTHETIC = Counter None "usb_events_synthetic_total",
        "Transitions that reconciliation made because no source reported them, by cause; usb_events_total has them too";
    WITHHELD = Counter None "usb_events_withheld_total",
        "Reports that brought no event: held back by a filter, no news, or about an unknown device";
    GAPS = Counter None "usb_gaps_total",
        "Stretches in which something was deaf or full, by where and why";
    SOURCE_UP = Gauge None "usb_source_up",
        "1 where the source hears; inotify only wakes the snapshot, the others establish events";
    SOURCE_STATE = Gauge None "usb_source_state",
        "1 for the state that the source is in";
    SOURCE_REPORTS = Counter None "usb_source_reports_total",
        "What each source has reported, whether or not it was news";
    SOURCE_FIRST = Counter None "usb_source_first_reports_total",
        "Transitions that this source reported before any other did, as far as is known when each is stored";
    SOURCE_OVERFLOWS = Counter None "usb_source_overflows_total",
        "How often the source's buffer overflowed; each brings a gap";
    SOURCE_LAST = Gauge Seconds "usb_source_last_report_timestamp_seconds",
        "When the source last reported something, in seconds since 1970; 0 before the first time";
    READY = Histogram Seconds "usb_ready_duration_seconds",
        "From when a device was observed to when it was found ready, whatever stood in its way before; those that reconciliation found are left out";
    READY_REPORTS = Counter None "usb_ready_reports_total",
        "What was told of devices' readiness: ready, or what stands in the way; a report with several reasons counts under each";
    NOT_READY = Gauge None "usb_devices_not_ready",
        "Devices in whose way something stands now, by what it is; a device with several reasons counts under each";
    DRIVER_ATTEMPTS = Counter None "usb_driver_attempts_total",
        "How often a rule of drivers.rules was tried at a device: done, failed, or refused by the helper";
    DRIVER_REPORTS = Counter None "usb_driver_reports_total",
        "What rules of drivers.rules have come to, by state; failed: after as many tries as it may have, refused by the helper, or without interfaces to do it for";
    OUTBOX_CARRIED_OVER = Counter None "usb_outbox_carried_over_total",
        "Events that waited when the outbox was opened, or came back to be published again. carried_over + seen = published + filtered + waiting + dropped in each scrape";
    OUTBOX_SEEN = Counter None "usb_outbox_seen_total",
        "Transitions that came into the outbox since the start, those held back by a filter included";
    OUTBOX_PUBLISHED = Counter None "usb_outbox_published_total",
        "Events that Redis acknowledged; stored ones, where nothing is published";
    OUTBOX_FILTERED = Counter None "usb_outbox_filtered_total",
        "Transitions that a filter held back";
    OUTBOX_WAITING = Gauge None "usb_outbox_waiting",
        "Events that wait to be published";
    OUTBOX_CAPACITY = Gauge None "usb_outbox_capacity",
        "How many events may wait (outbox.max_events)";
    OUTBOX_DROPPED = Gauge None "usb_outbox_dropped",
        "Events given up, because too many waited or a record was unreadable; one that arrives after all is taken off again";
    OUTBOX_OLDEST = Gauge Seconds "usb_outbox_oldest_age_seconds",
        "Age of the oldest event that waits; 0 where none does";
    OUTBOX_BYTES = Gauge Bytes "usb_outbox_file_bytes",
        "Size of the outbox's file and its log; 0 in memory";
    OUTBOX_DURABLE = Gauge None "usb_outbox_durable",
        "1 where what is stored outlives the process";
    PACED = Counter None "usb_publish_paced_total",
        "How often events waited because performance.max_events_per_second was used up";
    REDIS_ENABLED = Gauge None "usb_redis_enabled",
        "1 where events are published to Redis by configuration";
    REDIS_CONNECTED = Gauge None "usb_redis_connected",
        "1 while events are being published to Redis";
    REDIS_RECONNECTS = Counter None "usb_redis_reconnects_total",
        "How often the connection to Redis came back";
    REDIS_ERRORS = Counter None "usb_redis_errors_total",
        "Attempts at Redis that failed: connecting, publishing, looking after the stream";
    GROUP_LAG = Gauge None "usb_consumer_group_lag",
        "Entries of the stream that the consumer group has not been given (Redis 7.0 and later), looked up every few seconds; other: all beyond the first groups";
    GROUP_PENDING = Gauge None "usb_consumer_group_pending",
        "Entries of the stream that the consumer group was given and has not acknowledged";
    LOOP_DELAY = Gauge Seconds "usb_event_loop_delay_seconds",
        "How long JavaScript's event loop let the scrape wait for it; at least that, where it has not answered; absent where it is not asked (command line, JavaScript's own meter)";
    LOOP_BLOCKED = Gauge None "usb_event_loop_blocked",
        "1 where JavaScript's event loop did not answer within the scrape's patience; absent where it is not asked";
    BACKLOG = Gauge None "usb_delivery_backlog",
        "Notices that JavaScript has not taken yet";
    HEALTH = Gauge None "usb_health_status",
        "1 for the status that /health tells";
    BUILD = Info None "usb_daemon_build_info",
        "Version of the package";
    DAEMON_START = Gauge Seconds "usb_daemon_start_time_seconds",
        "When this daemon started, in seconds since 1970; its process may be older";
    CPU = Counter Seconds "process_cpu_seconds_total",
        "User and system CPU time of the process";
    RESIDENT_MEMORY = Gauge Bytes "process_resident_memory_bytes",
        "Resident memory of the process";
    VIRTUAL_MEMORY = Gauge Bytes "process_virtual_memory_bytes",
        "Virtual memory of the process";
    PROCESS_START = Gauge Seconds "process_start_time_seconds",
        "When the process started, in seconds since 1970";
    OPEN_FDS = Gauge None "process_open_fds",
        "Open file descriptors of the process";
    MAX_FDS = Gauge None "process_max_fds",
        "File descriptors that the process may have";
    THREADS = Gauge None "process_threads",
        "Threads of the process";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_name_says_its_unit_and_whether_it_counts() {
        for Metric { name, unit, kind, help } in ALL {
            let stem = name.strip_suffix("_total");
            assert_eq!(stem.is_some(), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_info"), *kind == Kind::Info, "{name}");
            if let Some(word) = unit.word() {
                assert!(stem.unwrap_or(name).ends_with(&format!("_{word}")), "{name}");
            }
            assert_ne!(unit.ucum(), "1", "{name}: Prometheus takes that for a ratio");
            // OpenMetrics' own encoder does not escape it.
            assert!(!help.is_empty() && !help.contains(['\\', '"', '\n']), "{name}");
        }
        let names: HashSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
