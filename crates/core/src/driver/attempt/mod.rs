//! One try of one rule at one device.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::bind_uevents::BindUevents;
use super::helper::Answer;
use super::kernel::Kernel;
use super::outcome::Outcome;
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

/// What was asked for.
#[derive(Default)]
struct Asked {
    requests: Vec<String>,
    /// What has failed first.
    reason: Option<String>,
    /// One was refused: to ask again is of no use.
    is_refused: bool,
}

/// Who does it, and how it is seen to be done.
pub(super) struct Attempt<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) performer: &'a Performer,
    pub(super) dry_run: bool,
    pub(super) stop: &'a AtomicBool,
}

impl Attempt<'_> {
    /// What a stop has cut short has not failed, and what the next device in its place has is not this one's: nothing is told of either.
    pub(super) fn make(&self, rule: &DriverRuleConfig, before: &Facts) -> Outcome {
        let outcome = self.carry_out(rule, before);
        let is_cut = matches!(outcome, Outcome::Failed { .. }) && self.stop.load(Ordering::Relaxed);
        if is_cut || !self.kernel.has(before) { Outcome::Nothing } else { outcome }
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
        let Some(asked) = self.ask(&planned, before) else { return Outcome::Nothing };
        if let Some(authorized) = rule.authorized {
            return self.authorized(authorized, &before.name, asked);
        }
        let patience = if asked.reason.is_none() { PATIENCE } else { Duration::ZERO };
        let interfaces = self.bound(before, &uevents, patience, QUIET);
        if interfaces.is_empty() {
            return asked.in_vain("no driver has taken it");
        }
        let Asked { requests, reason, .. } = asked;
        Outcome::Done { state: DriverState::Bound, interfaces, requests, reason }
    }

    /// Asks for one after the other. None where there is nobody left to do it for.
    fn ask(&self, planned: &[Request], before: &Facts) -> Option<Asked> {
        let mut asked = Asked::default();
        for request in planned {
            // Each may have taken long.
            if self.stop.load(Ordering::Relaxed) || !self.kernel.has(before) {
                return None;
            }
            if self.is_needless(request, before) {
                continue;
            }
            asked.requests.push(request.to_string());
            let (why, is_refused) = match self.performer.carry_out(request, self.stop) {
                Answer::Done => continue,
                Answer::Refused(why) => (why, true),
                Answer::Failed(why) => (why, false),
            };
            asked.reason.get_or_insert(format!("{request}: {why}"));
            asked.is_refused = is_refused;
            // What follows needs it.
            if is_refused || matches!(request, Request::Module(_) | Request::NewId { .. }) {
                break;
            }
        }
        Some(asked)
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

    fn authorized(&self, wanted: bool, device: &str, asked: Asked) -> Outcome {
        let is_so = self.kernel.facts(device).is_some_and(|facts| facts.authorized == wanted);
        if !is_so {
            return asked.in_vain("the kernel has not taken it");
        }
        let state = if wanted { DriverState::Authorized } else { DriverState::Denied };
        Outcome::Done { state, interfaces: Vec::new(), requests: asked.requests, reason: None }
    }
}

impl Asked {
    /// `otherwise` is the reason where all has been done.
    fn in_vain(self, otherwise: &str) -> Outcome {
        let Self { requests, reason, is_refused } = self;
        let reason = reason.unwrap_or_else(|| otherwise.to_owned());
        Outcome::Failed { reason, is_final: is_refused, requests }
    }
}

#[cfg(test)]
mod tests;
