//! `usb-daemon run`: the daemon, with a line for each notice.

use std::io::StdoutLock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use usb_daemon_core::{Config, Daemon, Delivery, Error, Host, Hub, Notice, Reading, RedisSetting, Vitality};

use crate::config_watch;
use crate::exported::Exported;
use crate::line::{outbox, print};
use crate::platform::bus::has_usb_bus;
use crate::platform::service::{Ask, Manager, Readiness, Service};
use crate::printer::Printer;
use crate::reload::Reload;
use crate::run_arguments::RunArguments;
use crate::status;
use crate::stopper::Stopper;
use crate::teller::Teller;

/// What a stop takes beside publishing what waits.
const BEYOND_SHUTDOWN: Duration = Duration::from_secs(5);
const DEMONSTRATION_PAUSE: Duration = Duration::from_millis(800);

/// Runs until stopped, or until nobody reads stdout any more.
pub(crate) fn run(
    arguments: &RunArguments,
    stopper: &Arc<Stopper>,
    exported: Option<Exported>,
    mut service: Service,
) -> Result<(), Error> {
    stopper.take_reloads(arguments.config.is_some());
    let (teller, lines) = Teller::new(arguments.json, stopper);
    // Before the file is read: a change in between must not go unseen.
    let watch = config_watch::watch(arguments.config.as_deref(), stopper, &teller);
    let Reading { config, warnings } = arguments.layers()?.read()?;
    teller.warn(&warnings);
    let (telemetry, warnings) =
        exported.map(|Exported { telemetry, warnings }| (telemetry, warnings)).unzip();
    teller.warn(&warnings.unwrap_or_default());
    let delivery = {
        let stopper = Arc::clone(stopper);
        Arc::new(Delivery::new(config.outbox.max_events, Box::new(move || stopper.wake())))
    };
    let manager = Manager::start(&service).unwrap_or_else(|why| {
        status(&format!("warning: {why}"));
        Manager::default()
    });
    let host = Host {
        telemetry,
        onlookers: vec![Arc::new(Readiness::new(&manager))],
        uevent_socket: service.take_uevent_socket()?,
        ..Host::default()
    };
    let mut daemon = Daemon::start(&config, &delivery, host)?;
    if let Some(vitality) = daemon.vitality() {
        manager.asks(ask(vitality, daemon.hub().clone()));
    }
    if arguments.simulates() {
        daemon.demonstrate(DEMONSTRATION_PAUSE)?;
    }
    if !arguments.json {
        status(&outbox(&daemon.hub().health().outbox));
        for line in circumstances(arguments, &config) {
            status(&line);
        }
    }
    let json = arguments.json;
    let print = move |notice: &Notice, out: &mut StdoutLock<'_>| print(notice, json, out);
    let printed = Printer { delivery, stopper: Arc::clone(stopper), print, lines }.start()?;
    let reload = Reload::new(arguments, &config, teller);
    while stopper.wait_for_reload() {
        manager.reloading();
        reload.reload(&daemon);
        manager.ready();
    }
    drop(watch);
    let hub = daemon.hub().clone();
    manager.stopping(config.shutdown() * 2 + BEYOND_SHUTDOWN);
    daemon.stop();
    stopper.complete();
    // What came while it stopped is printed too, but a reader that has fallen asleep must not hold the end.
    let _ = printed.recv_timeout(config.shutdown());
    let left = hub.health().outbox;
    if !arguments.json && left.durable && left.accounts.waiting > 0 {
        status(&outbox(&left));
    }
    Ok(())
}

/// What a person has to know who sees this for the first time.
fn circumstances(arguments: &RunArguments, config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |subject: &str, state: &str, text: String| {
        lines.push(format!("{subject:<9} {state:<12} {text}"));
    };
    let publishes = matches!(config.redis, RedisSetting::On(_));
    if !publishes {
        say("redis", "off", "nothing is published, by configuration".to_owned());
    }
    if config.monitoring.enabled {
        let address = SocketAddr::new(config.monitoring.host, config.monitoring.healthcheck_port);
        say("http", "on", format!("http://{address}/ has the page, /health and /metrics"));
    }
    if !has_usb_bus() {
        let advice = if arguments.simulates() { "" } else { "; --simulate shows what it would do" };
        say("usb", "absent", format!("this machine has no USB bus{advice}"));
    }
    if arguments.simulates() && (publishes || config.outbox.file().is_some()) {
        let text = "devices that are made up are stored and published like real ones: --outbox :memory: --no-redis prevents both";
        say("simulated", "as real", text.to_owned());
    }
    lines
}

/// A sign of life of the daemon's threads, in a sentence.
fn ask(vitality: Vitality, hub: Hub) -> Ask {
    Box::new(move |patience| {
        vitality.ask(patience)?;
        let health = hub.health();
        let devices = health.connected_devices;
        let waiting = health.outbox.accounts.waiting;
        let redis = match &health.redis {
            None => "",
            Some(redis) if redis.status.connected => ", Redis is there",
            Some(_) => ", Redis is away",
        };
        Ok(format!("{devices} devices attached{redis}, {waiting} events wait"))
    })
}
