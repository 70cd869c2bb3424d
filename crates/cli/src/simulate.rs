//! `usb-daemon simulate`: simulated devices through the whole pipeline, so many times, and what has become of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};
use usb_daemon_core::{
    CYCLE, Code, Daemon, Delivery, Error, Health, Host, Notice, Reading, RedisSetting, demonstration,
};

use crate::exit;
use crate::line::print;
use crate::listening::leave_records;
use crate::printer::{Printer, print_once};
use crate::run_arguments::RunArguments;
use crate::stopper::Stopper;
use crate::teller::Teller;
use crate::{complain, status};

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon simulate                                   a hub and three devices come and go, into the local Redis
  usb-daemon simulate --count 1000 --rate 500 --no-redis
  usb-daemon simulate --json --redis-url redis://far:6379 | tail -n 1

Real devices are left out, and nothing is stored: what Redis has not taken at the end is given up, and said. The last \
line is the sum, on stderr; with --json on stdout, as {\"type\":\"sum\", …}.

Exit codes:
  0  all was published; with --no-redis, went through
  1  failed, stopped before the end, or not all was published
  2  bad arguments or configuration";

#[derive(Args, Debug)]
pub(crate) struct SimulateArguments {
    /// So many cycles: in each, a hub and three devices come and go
    #[arg(long, value_name = "N", env = "USB_DAEMON_COUNT", hide_env_values = true, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Events a second, at most
    #[arg(long, value_name = "N", env = "USB_DAEMON_RATE", hide_env_values = true, default_value_t = 4.0, value_parser = rate)]
    rate: f64,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number of events a second, 0.001 to 1000000".to_owned()),
    }
}

/// Plays, and gives the exit code.
pub(crate) fn simulate(arguments: &SimulateArguments, stopper: &Arc<Stopper>) -> Result<u8, Error> {
    let mut layers = arguments.run.layers()?;
    alone(&mut layers.root);
    let Reading { config, warnings } = layers.read()?;
    let json = arguments.run.json;
    let (teller, lines) = Teller::new(json, stopper);
    teller.warn(&warnings);
    let delivery = {
        let stopper = Arc::clone(stopper);
        Arc::new(Delivery::new(config.outbox.max_events, Box::new(move || stopper.wake())))
    };
    let daemon = Daemon::start(&config, &delivery, Host::default())?;
    let print = move |notice: &Notice, out: &mut io::StdoutLock<'_>| match notice {
        // Real sources are off, and what Redis has not taken is said at the end.
        Notice::Source(_) => Ok(()),
        Notice::Error { error, .. } if error.code == Code::Redis => Ok(()),
        notice => print(notice, json, out),
    };
    let printed = Printer { delivery, stopper: Arc::clone(stopper), print, lines }.start()?;
    let steps = CYCLE.saturating_mul(arguments.count as usize);
    let pause = Duration::from_secs_f64(arguments.rate.recip());
    let mut done = 0;
    for command in demonstration().take(steps) {
        daemon.simulate(command)?;
        done += 1;
        if stopper.is_stopped_within(pause) {
            break;
        }
    }
    let hub = daemon.hub().clone();
    daemon.stop();
    stopper.complete();
    // A reader that has fallen asleep must not hold the end.
    let _ = printed.recv_timeout(config.shutdown());
    let code = sum(&hub.health(), &config.redis, json)?;
    if done == steps {
        return Ok(code);
    }
    status(&format!("stopped before the end: {done} of {steps} events"));
    Ok(exit::FAILED)
}

/// Nothing of this machine's, and nothing that a daemon beside it might need.
fn alone(root: &mut Map<String, Value>) {
    root.insert("sources".into(), json!(["simulated"]));
    leave_records(root);
    root.insert("outbox".into(), json!({}));
    root.insert("monitoring".into(), json!({ "enabled": false }));
}

fn sum(health: &Health, redis: &RedisSetting, json: bool) -> Result<u8, Error> {
    let accounts = health.outbox.accounts;
    let has_redis = matches!(redis, RedisSetting::On(_));
    let lost = if has_redis { accounts.waiting + accounts.dropped } else { 0 };
    let published = if has_redis { accounts.published } else { 0 };
    if json {
        let sum = json!({
            "type": "sum", "events": accounts.seen, "filtered": accounts.filtered, "published": published, "unpublished": lost,
        });
        print_once(&format!("{sum}\n"))?;
    } else {
        let place =
            health.redis.as_ref().map(|redis| format!(" to {}", redis.status.address)).unwrap_or_default();
        status(&format!(
            "sum       {} events, {} filtered, {published} published{place}",
            accounts.seen, accounts.filtered
        ));
    }
    if lost == 0 {
        return Ok(exit::OK);
    }
    let reason =
        health.redis.as_ref().and_then(|redis| redis.status.reason.as_deref()).unwrap_or("the time ran out");
    complain(&Error::new(Code::Redis, format!("{lost} events have not been published: {reason}")));
    Ok(exit::FAILED)
}
