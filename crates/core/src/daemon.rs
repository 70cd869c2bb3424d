//! The daemon: owns every thread, starts them and joins them.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use tracing::Dispatch;
use tracing::dispatcher::with_default;

use crate::config::{Config, RedisSetting};
use crate::delivery::Delivery;
use crate::device::SharedSerials;
use crate::driver::{Drivers, RunningDrivers};
use crate::engine::{Crew, Engine, EngineConfig, Inbox, Message, SenseConfig, SpoolConfig};
use crate::error::{Code, Error};
use crate::filter::Filters;
use crate::host::Host;
use crate::http::{Feed, HttpServer, Served};
use crate::hub::Hub;
use crate::metrics::{self, Counting, Metrics};
use crate::notice::{Notice, SourceState};
use crate::onlooker::Onlooker;
use crate::outbox::{Earlier, Intake, Opened, Outbox};
use crate::platform::machine::{boot_id, host_name};
use crate::producer;
use crate::publisher::{Answer, Limits, Publisher, PublisherConfig};
use crate::ready::ReadyConfig;
use crate::settings::Settings;
use crate::source::injected::Injection;
use crate::source::name;
use crate::source::netlink::{UeventHandle, UeventSocket};
use crate::source::simulated::{Demonstration, SimulatedCommand};
use crate::spool::{SettledBoard, Spool};
use crate::telemetry::{Member, Telemetry};
use crate::threads;

/// How often an idle connection to Redis is tried.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A running daemon. Dropping it stops it without waiting for Redis.
pub struct Daemon {
    inbox: Arc<Inbox>,
    hub: Hub,
    hearer: Dispatch,
    metrics: Arc<Metrics>,
    simulated: bool,
    shutdown: Duration,
    demonstration: Option<Demonstration>,
    engine: Option<Crew>,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody visits elsewhere"))]
    hears_uevents: bool,
    publisher: Option<Publisher>,
    settings: Option<Arc<Settings>>,
    shared_serials: SharedSerials,
    http: Option<HttpServer>,
    telemetry: Option<Arc<Member>>,
    drivers: Option<RunningDrivers>,
}

impl Daemon {
    /// Starts every thread. `subscriber` is told all that happens, beginning with what is present;
    /// [`Notice::Started`] follows once that is complete.
    ///
    /// # Errors
    /// Where the configuration is unusable or the process can have no thread or file descriptor more.
    pub fn start(config: &Config, subscriber: &Arc<Delivery>, host: Host) -> Result<Self, Error> {
        // Before anything is opened: what names a file may be at fault.
        let filters = Arc::new(Filters::new(&config.filters)?);
        let inbox = Arc::new(Inbox::new()?);
        let boot_id = boot_id();
        let publishes = matches!(config.redis, RedisSetting::On(_));
        let Opened { outbox, earlier, fault } =
            Outbox::open(&config.outbox, publishes, &producer::random()?, &boot_id)?;
        let intake = Arc::new(Intake::new(outbox.series(), &config.outbox));
        subscriber.set_come(Box::new(intake.come()));
        let in_file = !outbox.is_in_memory();
        let stored = outbox.settled_board();
        let Host { event_loop, mut onlookers, telemetry, uevent_socket } = host;
        let uevent_socket = uevent_socket.map(adopt).transpose()?;
        let telemetry = telemetry.map(|telemetry| join(&telemetry, config)).transpose()?;
        if let Some(member) = &telemetry {
            onlookers.push(Arc::clone(member) as Arc<dyn Onlooker>);
        }
        let counting = Counting::begin();
        onlookers.push(counting.onlooker());
        let feed = Arc::new(Feed::new());
        if config.monitoring.enabled {
            onlookers.push(Arc::clone(&feed) as Arc<dyn Onlooker>);
        }
        let drivers = Drivers::new(&config.drivers);
        onlookers.extend(drivers.as_ref().map(Drivers::onlooker));
        let hub = Hub::new(Arc::clone(subscriber), outbox.board(), onlookers);
        let capacity = config.outbox.max_events as u64;
        let told = metrics::Settings { publishes, capacity };
        let metrics = Arc::new(counting.of(hub.clone(), event_loop.clone(), told));
        if let Some(member) = &telemetry {
            member.count(&metrics);
        }
        if let Some(error) = fault {
            tracing::error!(code = error.code.as_str(), "{error}");
            hub.tell(&Notice::Error { error, context: "outbox" });
        }
        let mut daemon = Self {
            inbox,
            hub,
            hearer: threads::hearer(),
            metrics,
            simulated: config.sources.simulated,
            shutdown: config.shutdown(),
            demonstration: None,
            engine: None,
            hears_uevents: config.hears_uevents(),
            publisher: None,
            settings: None,
            shared_serials: earlier.shared_serials().clone(),
            http: None,
            telemetry,
            drivers: None,
        };
        if daemon.simulated {
            daemon.hub.tell_source(name::SIMULATED, SourceState::Up, "takes simulated devices");
        }
        let outgoing = daemon.start_publisher(config, outbox, Arc::clone(&intake), boot_id.clone())?;
        if in_file {
            subscriber.set_store(Box::new(outgoing.ask()));
        }
        let settings = Arc::new(Settings::new(
            config,
            Arc::clone(&filters),
            Arc::clone(&daemon.inbox),
            outgoing.limits(),
        ));
        let ask = Box::new(outgoing.ask());
        daemon.publisher = Some(outgoing);
        daemon.settings = Some(Arc::clone(&settings));
        if config.monitoring.enabled {
            let served = Served {
                hub: daemon.hub.clone(),
                event_loop,
                settings,
                feed,
                ask,
                metrics: Arc::clone(&daemon.metrics),
                host_name: host_name(),
            };
            daemon.http = Some(HttpServer::start(&config.monitoring, served)?);
        }
        daemon.drivers = drivers.map(|drivers| drivers.start(daemon.hub.clone())).transpose()?;
        let spool = daemon.spool(config, in_file, boot_id);
        daemon.start_engine(config, filters, intake, earlier, (stored, spool, uevent_socket))?;
        Ok(daemon)
    }

    fn start_publisher(
        &self,
        config: &Config,
        outbox: Outbox,
        intake: Arc<Intake>,
        boot_id: String,
    ) -> Result<Publisher, Error> {
        let redis = match &config.redis {
            RedisSetting::On(redis) => Some(redis.clone()),
            RedisSetting::Off => None,
        };
        let traces = self.telemetry.as_ref().and_then(|member| member.sampler());
        let publisher = PublisherConfig { redis, keepalive: KEEPALIVE, host: config.host(), boot_id, traces };
        let limits = Limits::from(&config.performance);
        Publisher::start(publisher, limits, outbox, intake, self.hub.clone())
    }

    /// Records are taken only for what outlives this process: others may wait for them.
    fn spool(&self, config: &Config, in_file: bool, boot_id: String) -> Option<SpoolConfig> {
        let path = config.spool()?;
        if in_file {
            return Spool::at(path).map(|spool| SpoolConfig { spool, boot_id });
        }
        if path.exists() {
            let reason = format!("records are left in {}: the outbox is no file", path.display());
            self.hub.tell_source(name::UDEV_HELPER, SourceState::Unavailable, reason);
        }
        None
    }

    fn start_engine(
        &mut self,
        config: &Config,
        filters: Arc<Filters>,
        intake: Arc<Intake>,
        earlier: Earlier,
        (stored, spool, uevent_socket): (SettledBoard, Option<SpoolConfig>, Option<UeventSocket>),
    ) -> Result<(), Error> {
        let engine = EngineConfig {
            interval: config.interval(),
            senses: SenseConfig {
                netlink: config.hears_uevents(),
                receive_buffer: config.sources.receive_buffer,
                libusb: config.sources.libusb,
            },
            snapshot: config.sources.snapshot,
            kernel_log: config.hears_uevents() && config.sources.kernel_log,
            patience: Duration::from_millis(config.performance.debounce_ms.into()),
            filters,
            spool,
            ready: config
                .ready
                .enabled
                .then(|| ReadyConfig { timeout: config.ready.timeout(), drivers: config.drivers.clone() }),
        };
        let engine = Engine::new(
            engine,
            self.hub.clone(),
            Arc::clone(&self.inbox),
            intake,
            earlier,
            stored,
            uevent_socket,
        )?;
        self.engine = Some(engine.start()?);
        Ok(())
    }

    /// Where notices are told: for health and for further subscribers.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// What has been counted, and what it is like now.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Serial numbers that have been seen on two devices at once, now or in an earlier run.
    pub fn shared_serials(&self) -> &SharedSerials {
        &self.shared_serials
    }

    /// Plugs or pulls a simulated device.
    ///
    /// # Errors
    /// `ERR_USB_SOURCE` where the simulated source is off.
    pub fn simulate(&self, command: SimulatedCommand) -> Result<(), Error> {
        if !self.simulated {
            let message = "the simulated source is off: set sources.simulated to true";
            return Err(Error::new(Code::Source, message));
        }
        self.inbox.send(Message::Simulated(command));
        Ok(())
    }

    /// Asks for events that the outbox has, waiting or published: those after this number, so many at most.
    pub fn history(&self, after: u64, limit: usize, answer: Answer) {
        if let Some(publisher) = &self.publisher {
            publisher.ask()(after, limit, answer);
        }
    }

    /// For the event loop on which the subscriber is told: that it may hear by itself of a device that has left, without another thread in
    /// between. Once; None where nothing could be heard so.
    #[cfg(target_os = "linux")]
    pub fn guest(&self) -> Option<crate::engine::Guest> {
        if !self.hears_uevents {
            return None;
        }
        with_default(&self.hearer, || self.engine.as_ref().and_then(Crew::guest))
    }

    /// What asks the daemon's threads for a sign of life.
    pub fn vitality(&self) -> Option<Vitality> {
        let ask = self.publisher.as_ref().map(|publisher| Box::new(publisher.ask()) as Box<_>)?;
        Some(Vitality { inbox: Arc::clone(&self.inbox), ask })
    }

    /// Takes a report of a program's own. [`Notice::Injected`] says what has become of it.
    pub fn inject(&self, injection: Injection) {
        self.inbox.send(Message::Injected(injection));
    }

    /// Filters and limits of `config` hold from now on: for what comes, and for what waits for Redis.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` where they name a file that cannot be read; then nothing has changed.
    pub fn reload(&self, config: &Config) -> Result<(), Error> {
        self.settings.as_ref().map_or(Ok(()), |settings| settings.reload(config))
    }

    /// Filters and performance that are in force, as the configuration has them.
    pub fn in_force(&self) -> Option<serde_json::Value> {
        self.settings.as_ref().map(|settings| settings.in_force())
    }

    /// Lets simulated devices come and go, with this pause between two steps, until the daemon stops.
    ///
    /// # Errors
    /// `ERR_USB_SOURCE` where the simulated source is off or no thread can be had.
    pub fn demonstrate(&mut self, pause: Duration) -> Result<(), Error> {
        if !self.simulated {
            let message = "the simulated source is off: set sources.simulated to true";
            return Err(Error::new(Code::Source, message));
        }
        let inbox = Arc::clone(&self.inbox);
        let demonstration =
            Demonstration::start(pause, move |command| inbox.send(Message::Simulated(command))).map_err(
                |error| Error::new(Code::System, format!("no thread for the demonstration: {error}")),
            )?;
        self.demonstration = Some(demonstration);
        Ok(())
    }

    /// Stops listening, gives what waits for Redis the configured time, and joins every thread. A subscriber that is behind is
    /// waited for as long as it goes on reading.
    /// No device is announced as detached.
    pub fn stop(mut self) {
        let shutdown = self.shutdown;
        // Whoever stops a daemon need not be who has started it.
        with_default(&self.hearer.clone(), || self.join(shutdown));
    }

    /// Sources first: nothing new comes in while the publisher drains. What a slow subscriber has still to read from the store
    /// is read before that, as long as it does read: it is the publisher that answers. One that reads nothing leaves Redis
    /// half of the time.
    fn join(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        let Some(engine) = self.engine.take() else { return };
        drop(self.demonstration.take());
        // It ends while the engine does.
        if let Some(drivers) = &self.drivers {
            drivers.ask_to_stop();
        }
        self.inbox.send(Message::Stop);
        engine.join();
        if let Some(drivers) = self.drivers.take() {
            drivers.stop(until.saturating_duration_since(Instant::now()));
        }
        self.hub.wait_until_caught_up(patience / 2);
        let half = Instant::now() + patience / 2;
        if let Some(publisher) = self.publisher.take() {
            publisher.stop(until.max(half).saturating_duration_since(Instant::now()));
        }
        if let Some(http) = self.http.take() {
            http.stop();
        }
        if let Some(member) = self.telemetry.take() {
            member.leave(patience);
        }
        self.hub.tell(&Notice::Stopped);
    }
}

/// Asks the threads without which nothing is heard or stored: they have to answer themselves.
pub struct Vitality {
    inbox: Arc<Inbox>,
    ask: Box<dyn Fn(u64, usize, Answer) + Send + Sync>,
}

impl Vitality {
    /// Waits so long, at most, for each of them.
    ///
    /// # Errors
    /// Which one has not answered.
    pub fn ask(&self, patience: Duration) -> Result<(), &'static str> {
        let until = Instant::now() + patience;
        let (answer, engine) = sync_channel(1);
        self.inbox.send(Message::Ping(answer));
        let (answer, outbox) = sync_channel(1);
        (self.ask)(
            u64::MAX,
            0,
            Box::new(move |events| {
                // Nobody waits any more where it comes too late.
                let _ = answer.try_send(events.is_ok());
            }),
        );
        let left = || until.saturating_duration_since(Instant::now());
        engine.recv_timeout(left()).map_err(|_| "the engine")?;
        // A file that cannot be read is told in another way: the thread has answered.
        outbox.recv_timeout(left()).map(drop).map_err(|_| "the outbox")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        with_default(&self.hearer.clone(), || {
            self.join(Duration::ZERO);
            // Where the engine never started, the others may still run.
            if let Some(drivers) = self.drivers.take() {
                drivers.stop(Duration::ZERO);
            }
            if let Some(publisher) = self.publisher.take() {
                publisher.stop(Duration::ZERO);
            }
            if let Some(http) = self.http.take() {
                http.stop();
            }
            if let Some(member) = self.telemetry.take() {
                member.leave(Duration::ZERO);
            }
        });
    }
}

/// Checks a socket that was handed over.
fn adopt(handle: UeventHandle) -> Result<UeventSocket, Error> {
    UeventSocket::adopt(handle).map_err(|why| {
        let message =
            format!("the socket that was handed over is none of the kernel's uevents: {why}; ListenNetlink=kobject-uevent 1");
        Error::new(Code::Source, message)
    })
}

/// The daemon's part in what its process exports.
fn join(telemetry: &Arc<Telemetry>, config: &Config) -> Result<Arc<Member>, Error> {
    let stream = match &config.redis {
        RedisSetting::On(redis) => Some(redis.stream.clone()),
        RedisSetting::Off => None,
    };
    telemetry.join(stream).map(Arc::new)
}
