//! `publish`: what the helper has written down goes to Redis, where no daemon is meant to run.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use usb_daemon_core::{Error, Publication, Reading, publish_records};

use crate::exit;
use crate::run_arguments::RunArguments;
use crate::status;
use crate::stopper::Stopper;
use crate::wait::time;

pub(super) const AFTER_HELP: &str = "\
Examples:
  AUTOWEAVE_REDIS_HOST=far usb-daemon udev publish
  usb-daemon udev publish --config /etc/autoweave/usb-daemon.json --timeout 60s

Listens to nothing and takes no snapshot: events come from the helper's records alone, in the kernel's order, each of them \
once. They are stored in the outbox before they are published, and a device that leaves has there what was known when it \
came. Where a daemon has that outbox, nothing is done: the daemon takes the records.

AUTOWEAVE_REDIS_HOST and AUTOWEAVE_REDIS_PORT go before REDIS_HOST and REDIS_PORT.

Exit codes:
  0  all is published, or nothing waited, or a daemon runs that takes care of it
  1  failed, or Redis has not taken it in time: it is stored, and goes with the next run; or something in the folder can be
     neither read nor removed
  2  bad arguments or configuration";

const LONGEST: Duration = Duration::from_secs(86_400);
const VARIABLES: [(&str, &str); 2] =
    [("AUTOWEAVE_REDIS_HOST", "redis.host"), ("AUTOWEAVE_REDIS_PORT", "redis.port")];

#[derive(Args, Debug)]
pub(crate) struct PublishArguments {
    /// How long Redis has to take something: 500ms, 30s, 2m
    #[arg(long, value_name = "TIME", env = "USB_DAEMON_TIMEOUT", hide_env_values = true, default_value = "10s", value_parser = patience)]
    timeout: Duration,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

fn patience(text: &str) -> Result<Duration, String> {
    let patience = time(text)?;
    let is_sensible = !patience.is_zero() && patience <= LONGEST;
    is_sensible.then_some(patience).ok_or_else(|| "expected more than 0s, and no more than a day".to_owned())
}

/// Publishes, and gives the exit code.
pub(super) fn publish(arguments: &PublishArguments, stopper: &Arc<Stopper>) -> Result<u8, Error> {
    let Reading { config, warnings } = arguments.run.layers_with(&VARIABLES)?.read()?;
    for warning in warnings {
        status(&format!("warning: {warning}"));
    }
    let is_over = || stopper.is_stopped_within(Duration::from_millis(20));
    status(&match publish_records(&config, arguments.timeout, is_over)? {
        Publication::DaemonRuns => {
            "a daemon has this outbox, and takes the records by itself: nothing to do".to_owned()
        }
        Publication::Done { published: 0 } => "nothing waits".to_owned(),
        Publication::Done { published } => format!("{published} events published"),
    });
    Ok(exit::OK)
}
