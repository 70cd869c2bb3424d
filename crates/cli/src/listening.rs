//! Listening without leaving a trace: a daemon without outbox file, Redis or HTTP, for `watch` and `wait`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};
use usb_daemon_core::{Config, Daemon, Delivery, Error, Host};

use crate::configuration_file::read_with_variable;
use crate::stopper::Stopper;

#[derive(Args, Debug)]
pub(crate) struct ListenArguments {
    /// Configuration file (JSON), for its sources; its filters are left out
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Reconcile period in ms [default: 1000]
    #[arg(long, value_name = "MS", env = "USB_DAEMON_INTERVAL", hide_env_values = true)]
    interval: Option<u32>,
}

/// Where nothing else tells, what is new is found by the next snapshot: somebody looks on.
const INTERVAL_MS: u32 = 1000;

impl ListenArguments {
    /// Starts to listen, if wished for when devices may be used as well. The stopper is woken when there is something to take.
    pub(crate) fn listen(
        &self,
        ready: bool,
        stopper: &Arc<Stopper>,
    ) -> Result<(Daemon, Arc<Delivery>), Error> {
        let root =
            read_with_variable(self.config.as_deref(), &["sources", "fallback", "monitoring", "ready"])?;
        let config = Config::from_json(&self.over(root, ready).to_string())?;
        let stopper = Arc::clone(stopper);
        let delivery = Arc::new(Delivery::new(config.outbox.max_events, Box::new(move || stopper.wake())));
        Ok((Daemon::start(&config, &delivery, Host::default())?, delivery))
    }

    fn over(&self, mut root: Map<String, Value>, ready: bool) -> Value {
        root.insert("redis".into(), false.into());
        root.insert("outbox".into(), json!({}));
        // Which devices are meant is said by options: with these of the daemon too, `wait` would wait for ever for one that is there.
        root.remove("filters");
        // libusb only confirms, and its start reads every device.
        root.entry("sources").or_insert_with(|| json!({ "libusb": false }));
        leave_records(&mut root);
        if let Value::Object(options) = root.entry("ready").or_insert_with(|| json!({})) {
            options.insert("enabled".into(), ready.into());
        }
        // Anything but an object is refused, by name, when the configuration is read.
        if let Value::Object(monitoring) = root.entry("monitoring").or_insert_with(|| json!({})) {
            monitoring.insert("enabled".into(), false.into());
            if let Some(interval) = self.interval {
                monitoring.insert("interval".into(), interval.into());
            }
            monitoring.entry("interval").or_insert(INTERVAL_MS.into());
        }
        Value::Object(root)
    }
}

/// What the helper of udev has written down is a daemon's to take.
pub(crate) fn leave_records(root: &mut Map<String, Value>) {
    // Anything but an object is refused, by name, when the configuration is read.
    if let Value::Object(fallback) = root.entry("fallback").or_insert_with(|| json!({})) {
        fallback.insert("spool_path".into(), Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_published_stored_or_served_whatever_the_file_says() {
        let file = json!({
            "redis": { "host": "h" }, "outbox": { "path": "/x", "required": true }, "sources": ["snapshot"],
            "filters": { "vendor_whitelist": ["046d"] }, "monitoring": { "enabled": true, "interval": 50 },
        });
        let Value::Object(file) = file else { panic!("an object") };
        let over = |interval| ListenArguments { config: None, interval }.over(file.clone(), false);
        let expected = json!({
            "redis": false, "outbox": {}, "sources": ["snapshot"], "monitoring": { "enabled": false, "interval": 50 },
            "fallback": { "spool_path": null }, "ready": { "enabled": false },
        });
        assert_eq!(over(None), expected);
        assert_eq!(over(Some(70))["monitoring"]["interval"], 70, "an argument goes before the file");
    }
}
