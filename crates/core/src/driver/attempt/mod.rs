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
/// After one interface has got a driver, how long the others are waited for.
const QUIET: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(20);

/// What has come of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing to do, or nobody left to do it for.
    Nothing,
    /// It is as the rule wants it.
    Done {
        state: DriverState,
        interfaces: Vec<BoundInterface>,
        requests: Vec<String>,
        /// What of it has failed all the same.
        reason: Option<String>,
    },
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
    /// What a stop has cut short has not failed: nothing is told of it.
    pub(super) fn make(&self, rule: &DriverRuleConfig, before: &Facts) -> Outcome {
        let outcome = self.carry_out(rule, before);
        let is_cut = matches!(outcome, Outcome::Failed { .. }) && self.stop.load(Ordering::Relaxed);
        if is_cut { Outcome::Nothing } else { outcome }
    }

    fn carry_out(&self, rule: &DriverRuleConfig, before: &Facts) -> Outcome {
        let planned = plan(rule, before);
        if planned.is_empty() {
            return Outcome::Nothing;
        }
        if self.dry_run {
            let requests = planned.iter().map(Request::to_string).collect();
            return Outcome::Done {
                state: DriverState::Planned,
                interfaces: Vec::new(),
                requests,
                reason: None,
            };
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
        let patience = if reason.is_none() { PATIENCE } else { Duration::ZERO };
        let interfaces = self.bound(before, &uevents, patience, QUIET);
        if interfaces.is_empty() {
            let reason = reason.unwrap_or_else(|| "no driver has taken it".to_owned());
            return Outcome::Failed { reason, is_final: false, requests };
        }
        Outcome::Done { state: DriverState::Bound, interfaces, requests, reason }
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

    /// What had no driver and has one now. Waited for until all have one, until so long after the last that has got one, or until nobody is
    /// patient any more.
    fn bound(
        &self,
        before: &Facts,
        uevents: &BindUevents,
        patience: Duration,
        quiet: Duration,
    ) -> Vec<BoundInterface> {
        let mut until = Instant::now() + patience;
        let wanted = before.unbound().count();
        let (mut heard, mut had) = (Vec::new(), 0);
        loop {
            // The kernel sends the uevent before it answers whoever has asked for the driver.
            let found: Vec<(String, String)> = before
                .unbound()
                .filter_map(|each| Some((each.name.clone(), self.kernel.driver_of(&each.name)?)))
                .collect();
            heard.extend(uevents.heard());
            if found.len() > had {
                had = found.len();
                until = until.min(Instant::now() + quiet);
            }
            let is_over = Instant::now() >= until || self.stop.load(Ordering::Relaxed);
            if found.len() == wanted || is_over {
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
            return Outcome::Done { state, interfaces: Vec::new(), requests, reason: None };
        }
        let reason = reason.unwrap_or_else(|| "the kernel has not taken it".to_owned());
        Outcome::Failed { reason, is_final: false, requests }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::{Path, PathBuf};

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
        let of = |state| Outcome::Done {
            state,
            interfaces: vec![],
            requests: vec!["authorize 1-1 0".into()],
            reason: None,
        };
        assert_eq!((dry, kept.as_str()), (of(DriverState::Planned), "1"));
        assert_eq!((done, changed.as_str()), (of(DriverState::Denied), "0"));
    }

    /// Gives an interface a driver, as the kernel shows it.
    fn give_driver(root: &Path, interface: &str) {
        let folder = root.join("bus/usb/devices").join(interface);
        fs::create_dir_all(&folder).expect("a folder");
        symlink("../../drivers/x", folder.join("driver")).expect("a link");
    }

    #[test]
    fn each_interface_that_gets_a_driver_is_told_of_and_what_has_failed_too() {
        let root = tree("bound");
        fs::create_dir_all(root.join("bus/usb/devices/1-1/1-1:1.1")).expect("a folder");
        let kernel = Kernel::at(&root);
        let before = kernel.facts("1-1").expect("there");
        let stop = AtomicBool::new(false);
        let performer = Performer::Itself(kernel.clone());
        let attempt = Attempt { kernel: &kernel, performer: &performer, dry_run: false, stop: &stop };
        let (long, uevents) = (Duration::from_secs(600), BindUevents::listen());
        let names = |bound: Vec<BoundInterface>| bound.into_iter().map(|each| each.name).collect::<Vec<_>>();
        give_driver(&root, "1-1:1.0");
        let first = names(attempt.bound(&before, &uevents, long, Duration::ZERO));
        // The second interface cannot be asked for: the kernel shows it nowhere.
        let rule = json!({ "match": { "vendor_id": "1209" }, "driver": "x", "new_id": false });
        let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
        let outcome = attempt.make(&rule, &before);
        let both = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(3 * LOOK);
                give_driver(&root, "1-1:1.1");
            });
            names(attempt.bound(&before, &uevents, long, long))
        });
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!(first, ["1-1:1.0"]);
        assert_eq!(both, ["1-1:1.0", "1-1:1.1"]);
        let Outcome::Done { reason, interfaces, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(names(interfaces), first);
        assert_eq!(reason.as_deref(), Some("bind x 1-1:1.1: there is no interface 1-1:1.1"));
    }

    #[test]
    fn what_a_stop_cuts_short_has_not_failed() {
        let root = tree("stop");
        let kernel = Kernel::at(&root);
        let before = kernel.facts("1-1").expect("there");
        let (socket, stop) = (root.join("socket"), AtomicBool::new(false));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let performer = Performer::Helper(socket);
        let rule = json!({ "match": { "vendor_id": "1209" }, "authorized": false });
        let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
        let outcome = thread::scope(|scope| {
            let silent = scope.spawn(|| {
                let client = listener.accept().expect("a client");
                stop.store(true, Ordering::Relaxed);
                client
            });
            let outcome = Attempt { kernel: &kernel, performer: &performer, dry_run: false, stop: &stop }
                .make(&rule, &before);
            drop(silent.join().expect("no panic"));
            outcome
        });
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!(outcome, Outcome::Nothing);
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
