//! Diagnosis: what this environment gives a daemon with this configuration, and what it withholds.
//!
//! Every question is asked on a thread of its own, all at once, and all together are waited for no longer than [`PATIENCE`]. Nothing
//! is changed: no device is opened, no lock is taken, nothing is written, and Redis is only asked.

mod clocks;
#[cfg_attr(not(target_os = "linux"), path = "drivers_elsewhere.rs")]
mod drivers;
#[cfg(target_os = "linux")]
mod helper;
#[cfg_attr(not(target_os = "linux"), path = "locks_elsewhere.rs")]
mod locks;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod readiness;
mod redis;
#[cfg(target_os = "linux")]
mod refusals;
mod rights;
#[cfg_attr(not(target_os = "linux"), path = "senses_elsewhere.rs")]
mod senses;
mod store;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::Config;
use crate::threads;

/// How long answers are waited for.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// The daemon runs, and something is less than it could be.
    Warn,
    /// Something that the configuration asks for does not work.
    Fail,
}

impl Grade {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How to take it.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self { subject, grade: Grade::Ok, found: found.into(), advice: None }
    }

    fn warn(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject, grade: Grade::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { grade: Grade::Fail, ..Self::warn(subject, found, advice) }
    }
}

/// Takes findings as they are made.
type Tell<'a> = &'a dyn Fn(Finding);
type Question = fn(&Config, Tell<'_>);

#[cfg(not(target_os = "linux"))]
const QUESTIONS: [(&str, Question); 6] = [
    ("usb bus", senses::bus),
    ("libusb", senses::libusb),
    ("drivers", drivers::rules),
    ("outbox", store::outbox),
    ("clock", clocks::here),
    ("redis", redis::server),
];

#[cfg(target_os = "linux")]
const QUESTIONS: [(&str, Question); 13] = [
    ("usb bus", senses::bus),
    ("uevents", senses::uevents),
    ("kernel log", senses::kernel_log),
    ("namespaces", namespace::reach),
    ("libusb", senses::libusb),
    ("device nodes", senses::nodes),
    ("sysfs", senses::sysfs),
    ("udev helper", helper::folder),
    ("readiness", readiness::heard),
    ("drivers", drivers::rules),
    ("outbox", store::outbox),
    ("clock", clocks::here),
    ("redis", redis::server),
];

/// Looks at everything, and tells `tell` each finding, always in the same order.
pub fn diagnose(config: &Config, tell: impl FnMut(Finding)) {
    answer(config, &QUESTIONS, PATIENCE, tell);
}

fn answer(
    config: &Config,
    questions: &[(&'static str, Question)],
    patience: Duration,
    mut tell: impl FnMut(Finding),
) {
    let asked: Vec<_> =
        questions.iter().map(|(subject, question)| (*subject, ask(*question, config))).collect();
    let deadline = Instant::now() + patience;
    for (subject, answers) in asked {
        loop {
            match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(finding) => tell(finding),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let found = format!("no answer within {} s", patience.as_secs_f32());
                    tell(Finding::fail(subject, found, "the system call hangs: see the kernel's log"));
                    break;
                }
            }
        }
    }
}

/// The thread is not joined: what hangs is left to itself.
fn ask(question: Question, config: &Config) -> Receiver<Finding> {
    let (told, answers): (Sender<Finding>, _) = channel();
    let config = config.clone();
    let asked = threads::spawn("aw-doctor", {
        let told = told.clone();
        move || {
            question(&config, &|finding| {
                // Nobody waits for it any more where it has come too late.
                let _ = told.send(finding);
            });
        }
    });
    if let Err(error) = asked {
        let found = format!("no thread can be had: {error}");
        let _ = told.send(Finding::fail("threads", found, "raise the limit of tasks (ulimit -u, pids.max)"));
    }
    answers
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn all_questions_together_take_no_longer_than_one_may() {
        let endless: (&'static str, Question) = ("drip", |_, tell| {
            loop {
                tell(Finding::ok("drip", "more"));
                thread::sleep(Duration::from_millis(20));
            }
        });
        let begun = Instant::now();
        let mut failed = 0;
        answer(&Config::default(), &[endless, endless], Duration::from_millis(200), |finding| {
            failed += usize::from(finding.grade == Grade::Fail);
        });
        assert_eq!(failed, 2);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_question_that_hangs_is_a_finding_and_keeps_no_other_from_being_told() {
        let questions: [(&'static str, Question); 3] = [
            ("first", |_, tell| tell(Finding::ok("first", "quick"))),
            ("second", |_, tell| {
                tell(Finding::ok("second", "half of it"));
                loop {
                    thread::park();
                }
            }),
            ("third", |_, tell| tell(Finding::ok("third", "quick too"))),
        ];
        let mut told = Vec::new();
        answer(&Config::default(), &questions, Duration::from_millis(50), |finding| {
            told.push((finding.subject, finding.grade, finding.found));
        });
        let expected = [
            ("first", Grade::Ok, "quick"),
            ("second", Grade::Ok, "half of it"),
            ("second", Grade::Fail, "no answer within 0.05 s"),
            ("third", Grade::Ok, "quick too"),
        ];
        assert_eq!(told, expected.map(|(subject, grade, found)| (subject, grade, found.to_owned())));
    }
}
