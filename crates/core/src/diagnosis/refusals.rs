//! What would not be done for a device without a driver, by the helper or by this process, and what to do about it.

use super::Finding;
use super::drivers::SUBJECT;
use crate::driver::{Lack, MAY_NOT_ASK};

/// What is lacking, once for each reason: the same one is often all rules'.
pub(super) fn lacking(lacks: &[Lack], has_helper: bool) -> Vec<Finding> {
    let mut reasons: Vec<(&Lack, Vec<String>)> = Vec::new();
    for lack in lacks {
        let asked = format!("drivers.rules[{}] {}", lack.rule, lack.request);
        match reasons.iter_mut().find(|(first, _)| first.why == lack.why) {
            Some((_, all)) => all.push(asked),
            None => reasons.push((lack, vec![asked])),
        }
    }
    let finding = |(lack, asked): (&Lack, Vec<String>)| {
        let asked = asked.join(", ");
        let why = &lack.why;
        if lack.is_refused {
            Finding::fail(SUBJECT, format!("the helper refuses {asked}: {why}"), advice(why))
        } else if has_helper {
            let advice = "let the helper's unit have it (autoweave-usb-driver@.service); journalctl -t usb-daemon-driver has what it says";
            Finding::fail(SUBJECT, format!("the helper cannot do {asked}: {why}"), advice)
        } else {
            let advice = "give drivers.helper the socket of a helper that has it (docs/DRIVERS.md), or let the daemon have it";
            Finding::fail(SUBJECT, format!("this process lacks {why} for {asked}"), advice)
        }
    };
    reasons.into_iter().map(finding).collect()
}

/// A helper that does nothing, whatever it is asked for.
pub(super) fn answers_nobody(why: &str) -> Finding {
    Finding::fail(SUBJECT, format!("the helper does nothing for this user: {why}"), advice(why))
}

/// The socket may be open to whom the helper does not answer: the kernel tells it the primary group and no other.
fn advice(why: &str) -> &'static str {
    if why.contains(MAY_NOT_ASK) {
        "run the daemon with the socket's group as its primary one (autoweave): to be added to it is not enough"
    } else {
        "as root, write what it is to do to its list (/etc/autoweave/usb-drivers.allow), a line each: docs/DRIVERS.md"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_this_process_lacks_is_said_with_all_that_needs_it() {
        let lack = |rule, request: &str, why: &str| Lack {
            rule,
            request: request.into(),
            why: why.into(),
            is_refused: false,
        };
        let folder = "write access to /sys/bus/usb/drivers";
        let lacks = [
            lack(0, "module x", "CAP_SYS_MODULE"),
            lack(0, "new-id x 1209 0001", folder),
            lack(1, "bind x 1-1:1.0", folder),
        ];
        let told: Vec<String> = lacking(&lacks, false).into_iter().map(|finding| finding.found).collect();
        let both = "drivers.rules[0] new-id x 1209 0001, drivers.rules[1] bind x 1-1:1.0";
        assert_eq!(
            told,
            [
                "this process lacks CAP_SYS_MODULE for drivers.rules[0] module x".to_owned(),
                format!("this process lacks {folder} for {both}")
            ]
        );
    }

    #[test]
    fn whom_the_helper_does_not_answer_is_told_of_his_group_and_not_of_the_list() {
        let list = "the helper's list does not allow module x";
        let group = format!("user 1000 of group 1000 {MAY_NOT_ASK}: expected root");
        for (why, expected) in [(list, "usb-drivers.allow"), (&group, "primary one")] {
            let lack = Lack { rule: 0, request: "module x".into(), why: why.to_owned(), is_refused: true };
            for finding in lacking(&[lack], true).into_iter().chain([answers_nobody(why)]) {
                assert!(finding.found.ends_with(why), "{finding:?}");
                assert!(finding.advice.is_some_and(|advice| advice.contains(expected)), "{why}");
            }
        }
    }
}
