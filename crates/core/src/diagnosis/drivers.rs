//! Whether rules for drivers could be carried out: by the helper, or by this process itself.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::refusals::{answers_nobody, lacking};
use super::{Finding, Grade, Tell};
use crate::config::{Config, DriversConfig};
use crate::driver::{Rights, Unknown, driver_rights};

pub(super) const SUBJECT: &str = "drivers";
/// Less than all questions together get. The helper is a process that starts when it is asked.
const PATIENCE: Duration = Duration::from_millis(1500);

pub(super) fn rules(config: &Config, tell: Tell<'_>) {
    look_at(&config.drivers, PATIENCE, tell);
}

fn look_at(drivers: &DriversConfig, patience: Duration, tell: Tell<'_>) {
    if drivers.rules.is_empty() {
        return tell(without_rules(drivers.helper.as_deref()));
    }
    // Where nothing is to be done, nothing of it fails.
    let grade = if drivers.dry_run { Grade::Warn } else { Grade::Fail };
    match driver_rights(drivers, patience) {
        Ok(rights) if rights.lacks.is_empty() && rights.answers_nobody.is_none() => {
            tell(enough(drivers, &rights));
        }
        Ok(rights) => {
            let deaf = rights.answers_nobody.as_deref().map(answers_nobody);
            for finding in deaf.into_iter().chain(lacking(&rights.lacks, drivers.helper.is_some())) {
                tell(Finding { grade, ..finding });
            }
        }
        Err(Unknown::Helper(unanswered)) => {
            let finding = unreachable(&unanswered.helper, &unanswered.error);
            tell(Finding { grade: finding.grade.min(grade), ..finding });
        }
        Err(Unknown::Bus(error)) => {
            let found = format!("not tested: {} ({})", error.message, error.code.as_str());
            tell(Finding::warn(SUBJECT, found, "see what is said of the usb bus"));
        }
    }
}

fn without_rules(helper: Option<&Path>) -> Finding {
    match helper {
        None => Finding::ok(SUBJECT, "no rules: nothing is done for a device without a driver"),
        Some(helper) => Finding::warn(
            SUBJECT,
            format!("the helper at {} is never asked: drivers.rules has none", helper.display()),
            "give drivers.rules what it is to do (docs/DRIVERS.md), or leave drivers.helper out",
        ),
    }
}

fn enough(drivers: &DriversConfig, rights: &Rights) -> Finding {
    let rules = match drivers.rules.len() {
        1 => "1 rule".to_owned(),
        count => format!("{count} rules"),
    };
    let who = match &drivers.helper {
        Some(helper) => format!("the helper at {}", helper.display()),
        None => "this process".to_owned(),
    };
    let may = match (rights.asked, &drivers.helper) {
        (0, Some(_)) => "answers; what it would do is known once a device is there that a rule is about",
        (0, None) => {
            "carries them out itself; which rights that takes is known once a device is there that a rule is about"
        }
        (_, Some(_)) => "would do what is asked for now",
        (_, None) => "has the rights for what is asked for now",
    };
    let dry = if drivers.dry_run { "; nothing is done, by drivers.dry_run" } else { "" };
    Finding::ok(SUBJECT, format!("{rules}: {who} {may}{dry}"))
}

fn unreachable(helper: &Path, error: &io::Error) -> Finding {
    let found = |why: &str| format!("the helper at {} {why}: no rule can be carried out", helper.display());
    match error.kind() {
        ErrorKind::NotFound => Finding::fail(
            SUBJECT,
            found("is not there"),
            "start it (systemctl enable --now autoweave-usb-driver.socket), or give drivers.helper the place of its socket",
        ),
        ErrorKind::PermissionDenied => Finding::fail(
            SUBJECT,
            found("cannot be opened by this user"),
            "run the daemon with the socket's group as its primary one (autoweave)",
        ),
        ErrorKind::ConnectionRefused => Finding::fail(
            SUBJECT,
            found("is a socket that nobody listens to"),
            "start it (systemctl restart autoweave-usb-driver.socket)",
        ),
        ErrorKind::TimedOut => Finding::warn(
            SUBJECT,
            format!(
                "the helper at {} has not answered within {} s",
                helper.display(),
                PATIENCE.as_secs_f32()
            ),
            "ask it with more patience: usb-daemon driver plan; journalctl -t usb-daemon-driver has what it says",
        ),
        _ => Finding::fail(
            SUBJECT,
            format!("{}: {error}", found("cannot be asked")),
            "give drivers.helper a Unix socket behind which `usb-daemon driver apply` answers (docs/DRIVERS.md)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    fn socket(test: &str) -> PathBuf {
        std::env::temp_dir().join(format!("usb-daemon-doctor-{test}-{}", std::process::id()))
    }

    /// What is found of these rules. None of them is about a device that anybody has.
    fn found(rules: &serde_json::Value, helper: &Path, dry_run: bool) -> Vec<(Grade, String)> {
        let drivers = json!({ "rules": rules, "helper": helper, "dry_run": dry_run });
        let config = Config::from_json(&json!({ "drivers": drivers }).to_string()).expect("valid");
        let told = RefCell::new(Vec::new());
        let patience = Duration::from_secs(600);
        look_at(&config.drivers, patience, &|finding| told.borrow_mut().push((finding.grade, finding.found)));
        told.into_inner()
    }

    fn of(product: &str) -> serde_json::Value {
        json!({ "vendor_id": "1209", "product_id": product })
    }

    /// A helper that gives these answers to those who ask it one after the other, and says what they have asked.
    fn helper(socket: &Path, answers: Vec<Vec<&'static str>>) -> std::thread::JoinHandle<Vec<String>> {
        let listener = UnixListener::bind(socket).expect("a socket");
        std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answers in answers {
                let (stream, _) = listener.accept().expect("a client");
                let mut lines = BufReader::new(&stream).lines();
                for answer in answers {
                    asked.push(lines.next().expect("a line").expect("text"));
                    writeln!(&stream, "{answer}").expect("answered");
                }
            }
            asked
        })
    }

    #[test]
    fn what_the_helper_refuses_is_said_once_for_each_reason_and_fails_nothing_where_nothing_is_done() {
        let socket = socket("refused");
        let rules = json!([
            { "match": of("0001"), "module": "usbserial", "driver": "generic" },
            { "match": of("0002"), "module": "evil" },
            { "match": of("0003"), "module": "worse" },
            { "match": of("0004"), "module": "usbserial" },
        ]);
        let no = [
            "ok",
            "failed: no device 1209:0001 has an interface without a driver",
            "refused: no",
            "refused: no",
        ];
        let helper = helper(
            &socket,
            vec![no.to_vec(), no.to_vec(), vec!["ok", "ok", "ok", "failed: CAP_SYS_MODULE is lacking"]],
        );
        let [strict, dry] = [false, true].map(|dry_run| found(&rules, &socket, dry_run));
        let lacking = found(&rules, &socket, false);
        std::fs::remove_file(socket).expect("removed");
        let refused = "the helper refuses drivers.rules[1] module evil, drivers.rules[2] module worse: no";
        assert_eq!(strict, [(Grade::Fail, refused.to_owned())]);
        assert_eq!(dry, [(Grade::Warn, refused.to_owned())]);
        let cannot = "the helper cannot do drivers.rules[2] module worse: CAP_SYS_MODULE is lacking";
        assert_eq!(lacking, [(Grade::Fail, cannot.to_owned())]);
        let asked = ["module usbserial", "new-id generic 1209 0001", "module evil", "module worse"];
        let asked: Vec<String> = asked.iter().map(|request| format!("check {request}")).collect();
        assert_eq!(helper.join().expect("no panic"), [asked.clone(), asked.clone(), asked].concat());
    }

    #[test]
    fn a_helper_that_would_do_all_of_it_is_as_it_should_be_also_where_nothing_is_known_yet() {
        let socket = socket("enough");
        let none = "refused: no request: expected module";
        let list = "refused: /etc/autoweave/usb-drivers.allow: No such file or directory";
        let helper = helper(&socket, vec![vec!["ok"], vec!["ok"], vec![none], vec![list]]);
        let rules = json!([{ "match": of("0001"), "module": "usbserial" }]);
        let [works, dry] = [false, true].map(|dry_run| found(&rules, &socket, dry_run));
        let unknown = json!([{ "match": of("0001") }, { "match": of("0002") }]);
        let [later, without_list] = [(); 2].map(|()| found(&unknown, &socket, false));
        let asked = helper.join().expect("no panic");
        std::fs::remove_file(&socket).expect("removed");
        let at = socket.display();
        let would = format!("1 rule: the helper at {at} would do what is asked for now");
        assert_eq!(works, [(Grade::Ok, would.clone())]);
        assert_eq!(dry, [(Grade::Ok, format!("{would}; nothing is done, by drivers.dry_run"))]);
        assert_eq!((later.len(), later[0].0), (1, Grade::Ok));
        assert!(later[0].1.starts_with(&format!("2 rules: the helper at {at} answers;")), "{later:?}");
        assert_eq!(
            without_list,
            [(Grade::Fail, format!("the helper does nothing for this user: {}", &list[9..]))]
        );
        assert_eq!(asked[2..], ["check ", "check "]);
    }

    #[test]
    fn a_helper_that_is_not_there_fails_and_says_why() {
        let rules = json!([{ "match": of("0001"), "module": "usbserial" }]);
        let nowhere = socket("nowhere");
        let [fails, dry] = [false, true].map(|dry_run| found(&rules, &nowhere, dry_run));
        let absent = format!("the helper at {} is not there: no rule can be carried out", nowhere.display());
        assert_eq!((fails, dry), (vec![(Grade::Fail, absent.clone())], vec![(Grade::Warn, absent)]));
        let left = socket("left");
        drop(UnixListener::bind(&left).expect("a socket"));
        let refused = found(&rules, &left, false);
        std::fs::remove_file(&left).expect("removed");
        assert!(refused[0].1.contains("a socket that nobody listens to"), "{refused:?}");
        for (kind, grade, advice) in [
            (ErrorKind::PermissionDenied, Grade::Fail, "primary"),
            (ErrorKind::TimedOut, Grade::Warn, "driver plan"),
            (ErrorKind::Other, Grade::Fail, "docs/DRIVERS.md"),
        ] {
            let finding = unreachable(&left, &kind.into());
            assert_eq!(finding.grade, grade, "{kind:?}");
            assert!(finding.advice.is_some_and(|given| given.contains(advice)), "{kind:?}");
        }
    }

    #[test]
    fn without_rules_nothing_is_asked_and_a_helper_is_for_nothing() {
        assert_eq!(found(&json!([]), &socket("for-nothing"), false)[0].0, Grade::Warn);
        assert_eq!(without_rules(None).grade, Grade::Ok);
    }
}
