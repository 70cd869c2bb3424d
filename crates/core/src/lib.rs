//! USB hot-plug for `@autoweave/usb-daemon`, without Node: sources hear, the registry decides, the engine announces,
//! the outbox keeps, the publisher publishes.
//!
//! `docs/ARCHITECTURE.md` draws the line that one event takes. Start with [`Daemon::start`].

#[doc(hidden)]
pub mod bench_support;
mod clock;
mod config;
mod consumer;
mod daemon;
mod delivery;
mod device;
mod diagnosis;
#[cfg_attr(not(target_os = "linux"), path = "driver_elsewhere.rs")]
mod driver;
#[cfg(all(test, target_os = "linux"))]
#[expect(dead_code, reason = "there only for its tests")]
mod driver_elsewhere;
mod driver_report;
mod engine;
mod error;
mod escapes;
mod event;
mod event_publisher;
mod filter;
#[cfg(all(target_os = "linux", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzz_support;
mod host;
mod http;
mod hub;
mod journey;
#[cfg(target_os = "linux")]
mod kernel_log;
mod log;
mod metrics;
mod notice;
mod onlooker;
mod outbox;
mod platform;
mod present;
mod producer;
mod publication;
mod publisher;
mod ready;
mod redis_connection;
mod redis_url;
mod registry;
mod settings;
mod source;
mod spool;
mod stream_field;
mod stream_reply;
#[cfg(target_os = "linux")]
mod sysfs;
mod telemetry;
#[cfg(test)]
mod test_support;
mod threads;
mod withheld;

pub use config::{
    Config, DriversConfig, Reading, RedisConfig, RedisSetting, SourcesConfig, Token, hex, schema,
};
pub use consumer::{Abandonment, Consumer, ConsumerConfig, ConsumerNotice, Handover, Outcome};
pub use daemon::{Daemon, Vitality};
pub use delivery::{Delivery, Wake};
pub use device::{
    Address, Device, DeviceDescriptor, Functions, Identified, Identity, InterfaceClass, KnownNames, PortPath,
    Power, Reason, ReportUsages, SharedSerials, StableId, report_usages,
};
pub use diagnosis::{Finding, Grade, diagnose};
pub use driver::{driver_plan, serve_driver_requests};
pub use driver_report::{AttemptOutcome, BoundInterface, DriverPlan, DriverReport, DriverState, DriverStep};
#[cfg(target_os = "linux")]
pub use engine::Guest;
pub use error::{Code, Error};
pub use event::{Action, Attachment, Backend, DeviceInfo, Event, Synthetic};
pub use event_publisher::{EventPublisher, Reply};
pub use host::{EventLoop, Host, LoopDelay};
pub use hub::{Health, HealthStatus, Hub};
pub use journey::{Journey, Step, Steps, WITNESSES};
pub use log::{Log, LogLevel, LogLine};
pub use metrics::{
    BOUNDS_MS, Distribution, Family, Format, Label, Metrics, Series, Snapshot, Value, names as metric_names,
};
pub use notice::{Gap, GapCause, Notice, RedisStatus, SourceState, SourceStatus};
pub use onlooker::{Fact, Onlooker};
pub use outbox::{Accounts, History, OutboxStatus, Since};
pub use present::{PresentDevice, present_devices};
pub use publication::{Publication, publish_records};
pub use publisher::{Answer, Guarantee};
pub use ready::{Node, Readiness};
pub use redis_url::{UrlPart, url_says, url_without};
pub use source::injected::{Injection, Ticket};
pub use source::netlink::UeventHandle;
pub use source::simulated::{CYCLE, SimulatedCommand, SimulatedDevice, demonstration};
pub use spool::waiting as waiting_records;
pub use telemetry::{LAST_FLUSH, Member, Relay, Relayed, Sampler, Settings, Signal, Span, Telemetry};
pub use withheld::{Withheld, WithheldReason};
