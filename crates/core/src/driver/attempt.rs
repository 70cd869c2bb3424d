//! One try of one rule at one device.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::bind_uevents::BindUevents;
use super::helper::Answer;
use super::kernel::Kernel;
use super::performer::Performer;
use super::plan::{Facts, plan};
use super::request::Request;
use crate::config::DriverRuleConfig;
use crate::driver_report::{BoundInterface, DriverState};

/// How long a driver is waited for that probes after it has been asked.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// What has come of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing to do, or nobody left to do it for.
    Nothing,
    /// It is as the rule wants it.
    Done { state: DriverState, interfaces: Vec<BoundInterface>, requests: Vec<String> },
    /// Another try may help, unless it was refused.
    Failed { reason: String, is_final: bool, requests: Vec<String> },
}

/// Who does it, and how it is seen to be done.
pub(super) struct Attempt<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) performer: &'a Performer,
    pub(super) dry_run: bool,
    pub(super) stop: &'a AtomicBool,
}

impl Attempt<'_> {
    pub(super) fn make(&self, rule: &DriverRuleConfig, before: &Facts) -> Outcome {
        let planned = plan(rule, before);
        if planned.is_empty() {
            return Outcome::Nothing;
        }
        if self.dry_run {
            let requests = planned.iter().map(Request::to_string).collect();
            return Outcome::Done { state: DriverState::Planned, interfaces: Vec::new(), requests };
        }
        let uevents = BindUevents::listen();
        let mut requests = Vec::new();
        let mut reason = None;
        for request in &planned {
            if self.stop.load(Ordering::Relaxed) {
                return Outcome::Nothing;
            }
            if self.is_needless(request, before) {
                continue;
            }
            requests.push(request.to_string());
            match self.performer.carry_out(request, self.stop) {
                Answer::Done => {}
                Answer::Refused(why) => {
                    return Outcome::Failed { reason: format!("{request}: {why}"), is_final: true, requests };
                }
                Answer::Failed(why) => {
                    reason.get_or_insert(format!("{request}: {why}"));
                    // What follows needs it.
                    if matches!(request, Request::Module(_) | Request::NewId { .. }) {
                        break;
                    }
                }
            }
        }
        if let Some(authorized) = rule.authorized {
            return self.authorized(authorized, &before.name, reason, requests);
        }
        let interfaces = self.bound(before, &uevents, reason.is_none());
        if interfaces.is_empty() {
            let reason = reason.unwrap_or_else(|| "no driver has taken it".to_owned());
            return Outcome::Failed { reason, is_final: false, requests };
        }
        Outcome::Done { state: DriverState::Bound, interfaces, requests }
    }

    /// What an earlier request has brought already.
    fn is_needless(&self, request: &Request, before: &Facts) -> bool {
        match request {
            Request::Bind { interface, .. } | Request::Modalias(interface) => {
                self.kernel.driver_of(interface).is_some()
            }
            Request::NewId { .. } => before.unbound().all(|each| self.kernel.driver_of(&each.name).is_some()),
            Request::Module(_) | Request::Authorize { .. } => false,
        }
    }

    /// What had no driver and has one now; waited for where it may still come.
    fn bound(&self, before: &Facts, uevents: &BindUevents, may_come: bool) -> Vec<BoundInterface> {
        let until = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            // The kernel sends the uevent before it answers whoever has asked for the driver.
            let found: Vec<(String, String)> = before
                .unbound()
                .filter_map(|each| Some((each.name.clone(), self.kernel.driver_of(&each.name)?)))
                .collect();
            heard.extend(uevents.heard());
            let is_over = !may_come || Instant::now() > until || self.stop.load(Ordering::Relaxed);
            if !found.is_empty() || is_over {
                let told = |(name, driver)| BoundInterface { heard: heard.contains(&name), name, driver };
                return found.into_iter().map(told).collect();
            }
            thread::sleep(LOOK);
        }
    }

    fn authorized(
        &self,
        wanted: bool,
        device: &str,
        reason: Option<String>,
        requests: Vec<String>,
    ) -> Outcome {
        let is_so = self.kernel.facts(device).is_some_and(|facts| facts.authorized == wanted);
        if is_so {
            let state = if wanted { DriverState::Authorized } else { DriverState::Denied };
            return Outcome::Done { state, interfaces: Vec::new(), requests };
        }
        let reason = reason.unwrap_or_else(|| "the kernel has not taken it".to_owned());
        Outcome::Failed { reason, is_final: false, requests }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    /// A device whose interface has no driver.
    fn tree(test: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("usb-daemon-attempt-{test}-{}", std::process::id()));
        let device = root.join("bus/usb/devices/1-1");
        fs::create_dir_all(device.join("1-1:1.0")).expect("a folder");
        for (file, text) in [("idVendor", "1209"), ("idProduct", "dead"), ("authorized", "1")] {
            fs::write(device.join(file), text).expect("written");
        }
        root
    }

    fn attempt(root: &PathBuf, rule: serde_json::Value, dry_run: bool) -> Outcome {
        let kernel = Kernel::at(root);
        let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
        let performer = Performer::Itself(kernel.clone());
        let before = kernel.facts("1-1").expect("there");
        let stop = AtomicBool::new(false);
        Attempt { kernel: &kernel, performer: &performer, dry_run, stop: &stop }.make(&rule, &before)
    }

    #[test]
    fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
        let root = tree("dry");
        let rule = json!({ "match": { "vendor_id": "1209" }, "authorized": false });
        let dry = attempt(&root, rule.clone(), true);
        let file = root.join("bus/usb/devices/1-1/authorized");
        let kept = fs::read_to_string(&file).expect("there");
        let done = attempt(&root, rule, false);
        let changed = fs::read_to_string(&file).expect("there");
        fs::remove_dir_all(&root).expect("removed");
        let of =
            |state| Outcome::Done { state, interfaces: vec![], requests: vec!["authorize 1-1 0".into()] };
        assert_eq!((dry, kept.as_str()), (of(DriverState::Planned), "1"));
        assert_eq!((done, changed.as_str()), (of(DriverState::Denied), "0"));
    }

    #[test]
    fn what_a_step_needs_is_not_tried_without_it() {
        let root = tree("needs");
        let rule = json!({ "match": { "vendor_id": "1209" }, "driver": "generic" });
        let outcome = attempt(&root, rule, false);
        fs::remove_dir_all(&root).expect("removed");
        let Outcome::Failed { reason, is_final: false, requests } = outcome else { panic!("{outcome:?}") };
        assert_eq!(requests, ["new-id generic 1209 dead"]);
        assert!(reason.contains("no driver generic is loaded"), "{reason}");
    }
}
