//! The daemon as an object of JavaScript's. Its facade is `js/daemon.js`.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use napi::bindgen_prelude::{AsyncTask, Function, PromiseRaw};
use napi::{Env, JsValue, Task};
use napi_derive::napi;
use usb_daemon_core::{
    Answer, Code, Config, Daemon, Delivery, Error, Event, EventLoop, Host, Identified, Injection, Log,
    Reading, SharedSerials, SimulatedCommand, SimulatedDevice, schema,
};

use crate::arguments::Handed;
#[cfg(target_os = "linux")]
use crate::attending::attend;
use crate::failure::{Result, answer_json, failure};
use crate::log::NativeLog;
use crate::outlet::Outlet;
use crate::telemetry::NativeTelemetry;
use crate::waking::{Handing, handing};

const ADDRESSES: u16 = 126;

/// A daemon that can be started and stopped again and again.
#[napi]
pub struct NativeDaemon {
    config: Config,
    warnings: Vec<String>,
    handing: Handing,
    outlet: Arc<Outlet>,
    log: Arc<Log>,
    // Behind a lock, because a stop under way shares this object with the calls that come meanwhile.
    run: Mutex<Run>,
    plugged: AtomicU16,
    tickets: AtomicU32,
}

#[derive(Default)]
struct Run {
    daemon: Option<Daemon>,
    /// What this run knows of, or the last one.
    shared_serials: SharedSerials,
}

#[napi]
impl NativeDaemon {
    /// Checks the configuration. `hand` is called whenever notices wait: for each with its values (`js/arguments.js`), or with what `take`
    /// gives. Lines go to `log`.
    #[napi(constructor, catch_unwind)]
    pub fn new(config: String, hand: Function<Handed, ()>, log: &NativeLog) -> Result<Self> {
        let Reading { config, warnings } = Config::read(&config).map_err(failure)?;
        let outlet = Arc::new(Outlet::default());
        // Weakly: what waits there wakes by what is made of this.
        let taking = Arc::downgrade(&outlet);
        let taking_all = Weak::clone(&taking);
        Ok(Self {
            config,
            warnings,
            handing: handing(
                hand,
                move || taking.upgrade().map_or_else(|| Ok(Vec::new()), |outlet| outlet.each()),
                move || taking_all.upgrade().map_or_else(|| Ok(Handed::default()), |outlet| outlet.all()),
            )?,
            outlet,
            log: log.shared(),
            run: Mutex::default(),
            plugged: AtomicU16::new(0),
            tickets: AtomicU32::new(0),
        })
    }

    /// What in a configuration would have no effect. Throws what a daemon would, and makes none.
    #[napi(catch_unwind)]
    pub fn judge(config: String) -> Result<Vec<String>> {
        Ok(Config::read(&config).map_err(failure)?.warnings)
    }

    /// The configuration where nobody says anything, as JSON.
    #[napi(catch_unwind)]
    pub fn default_configuration() -> String {
        Config::defaults().to_string()
    }

    /// The JSON Schema of a configuration.
    #[napi(catch_unwind)]
    pub fn configuration_schema() -> String {
        schema().to_string()
    }

    /// What in the configuration has no effect.
    #[napi(catch_unwind)]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// The configuration in force, as JSON.
    #[napi(catch_unwind)]
    pub fn config(&self) -> Result<String> {
        serde_json::to_string(&self.config)
            .map_err(|error| napi::Error::new(Code::System, format!("no configuration: {error}")))
    }

    /// What this machine is called in events.
    #[napi(catch_unwind)]
    pub fn host_name(&self) -> String {
        self.config.host()
    }

    /// Which unit a `USBDeviceInfo` or a `USBEvent` is about, as the core's `Identified` in JSON.
    #[napi(catch_unwind)]
    pub fn identify(&self, info: String) -> Result<String> {
        let identified = Identified::of(&info, &self.run().shared_serials).map_err(failure)?;
        serde_json::to_string(&identified)
            .map_err(|error| napi::Error::new(Code::System, format!("it cannot be written: {error}")))
    }

    /// Reports a device that has come (`attach`) or left (`detach`). The notice `injected` with the number given here says
    /// what has become of it.
    #[napi(catch_unwind)]
    pub fn inject(&self, action: String, device: String) -> Result<u32> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let injection = Injection::read(ticket.into(), &action, &device).map_err(failure)?;
        self.run().daemon()?.inject(injection);
        Ok(ticket)
    }

    /// Starts every thread; the notices say when all that is present has been announced. What happens is told to `telemetry`.
    #[napi(catch_unwind)]
    pub fn start(&self, telemetry: Option<&NativeTelemetry>) -> Result<()> {
        let wake = Arc::clone(&self.handing.wake);
        let delivery = Arc::new(Delivery::new(self.config.outbox.max_events, Box::new(move || wake())));
        let wake = Arc::clone(&self.handing.wake);
        // Whoever is woken takes what waits, even where that is nothing: a sign of life.
        let event_loop = Arc::new(EventLoop::new(Box::new(move || wake())));
        let host = Host {
            event_loop: Some(Arc::clone(&event_loop)),
            telemetry: telemetry.map(NativeTelemetry::shared),
            ..Host::default()
        };
        self.log.export(host.telemetry.clone());
        let mut run = self.run();
        self.outlet.begin(Arc::clone(&delivery), event_loop);
        let start = || Daemon::start(&self.config, &delivery, host);
        let daemon = self.log.within(start).map_err(|error| {
            self.log.export(None);
            failure(error)
        })?;
        run.shared_serials = daemon.shared_serials().clone();
        run.daemon = Some(daemon);
        Ok(())
    }

    /// Has the event loop hear by itself, until the stop, that a device has left, where it can. No start waits for that.
    #[napi(catch_unwind)]
    pub fn attend(&self) {
        #[cfg(target_os = "linux")]
        if let (Some(daemon), Some(delivery)) = (&self.run().daemon, self.outlet.delivery()) {
            attend(&self.handing, daemon, &delivery);
        }
    }

    /// Hands over the next notices as a wake-up would, where that is by calls; else gives them as JSON: `{ more, notices }`. Until `more` is
    /// false there is no further wake-up.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Result<String> {
        if self.handing.give() { Ok(String::new()) } else { self.outlet.take() }
    }

    /// Whether acknowledgements by Redis should be among the notices.
    #[napi(catch_unwind)]
    pub fn set_wants_published(&self, wanted: bool) {
        self.outlet.set_wants_published(wanted);
    }

    /// Stops and joins every thread, off JavaScript's own.
    #[napi(catch_unwind)]
    pub fn stop(&self) -> AsyncTask<Stop> {
        #[cfg(target_os = "linux")]
        self.handing.withdraw();
        AsyncTask::new(Stop { daemon: self.run().daemon.take(), log: Arc::clone(&self.log) })
    }

    /// The daemon's state as JSON.
    #[napi(catch_unwind)]
    pub fn health(&self) -> Result<String> {
        let health = self.run().daemon()?.hub().health();
        serde_json::to_string(&health)
            .map_err(|error| napi::Error::new(Code::System, format!("health cannot be written: {error}")))
    }

    /// Filters and performance that are in force, as JSON.
    #[napi(catch_unwind)]
    pub fn in_force(&self) -> Result<String> {
        let in_force = self.run().daemon()?.in_force().ok_or_else(|| failure(not_running()))?;
        Ok(in_force.to_string())
    }

    /// All figures as JSON: the core's `Snapshot`. The event loop is not asked: it is here.
    #[napi(catch_unwind)]
    pub fn metrics(&self) -> Result<String> {
        let snapshot = self.run().daemon()?.metrics().snapshot(None);
        serde_json::to_string(&snapshot)
            .map_err(|error| napi::Error::new(Code::System, format!("metrics cannot be written: {error}")))
    }

    /// Events that are kept after this number, `limit` at most, each as `{ seq, type, device }`. The answer is JSON: `{ value }`, or
    /// `{ code, message }` where there is none.
    #[napi(catch_unwind)]
    pub fn history<'env>(&self, env: &'env Env, after: f64, limit: u32) -> Result<PromiseRaw<'env, String>> {
        let mut run = self.run();
        let daemon = run.daemon()?;
        // From here on nothing may fail: one that is never settled would keep the process.
        let (deferred, promise) =
            env.create_deferred().map_err(|error| napi::Error::new(Code::System, error.reason.clone()))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number that JavaScript knows exactly, from 0"
        )]
        let after = after as u64;
        let answer: Answer = Box::new(move |events| {
            let answer = answer_json(events.map(|events| listed(&events)));
            deferred.resolve(move |_| Ok(answer));
        });
        daemon.history(after, limit as usize, answer);
        Ok(PromiseRaw::new(env.raw(), promise.raw()))
    }

    /// Plugs in the simulated device that the JSON describes.
    #[napi(catch_unwind)]
    pub fn simulate_attach(&self, device: String) -> Result<()> {
        let device: SimulatedDevice = serde_json::from_str(&device)
            .map_err(|error| napi::Error::new(Code::Device, format!("bad simulated device: {error}")))?;
        let address = 2 + self.plugged.fetch_add(1, Ordering::Relaxed) % ADDRESSES;
        let command = SimulatedCommand::plug(device, address).map_err(failure)?;
        self.run().daemon()?.simulate(command).map_err(failure)
    }

    /// Pulls the simulated device at the port of this name.
    #[napi(catch_unwind)]
    pub fn simulate_detach(&self, name: String) -> Result<()> {
        let command = SimulatedCommand::unplug(&name).map_err(failure)?;
        self.run().daemon()?.simulate(command).map_err(failure)
    }

    /// Lets simulated devices come and go, with a pause of so many milliseconds.
    #[napi(catch_unwind)]
    pub fn demonstrate(&self, pause_ms: u32) -> Result<()> {
        self.run().daemon()?.demonstrate(Duration::from_millis(pause_ms.into())).map_err(failure)
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        // A panic under the lock has become a JavaScript error; the two options it guards are whole.
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().ok_or_else(|| failure(not_running()))
    }
}

fn listed(events: &[Arc<Event>]) -> String {
    let events = events.iter().map(|event| {
        serde_json::json!({ "seq": event.seq, "type": event.action.as_str(), "device": event.info() })
    });
    serde_json::Value::Array(events.collect()).to_string()
}

fn not_running() -> Error {
    Error::new(Code::NotRunning, "the daemon is not running: call start() first")
}

/// Joins the threads on libuv's pool.
pub struct Stop {
    daemon: Option<Daemon>,
    log: Arc<Log>,
}

impl Task for Stop {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
        // Whoever took its lines has gone.
        self.log.export(None);
        Ok(())
    }

    fn resolve(&mut self, _env: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}
