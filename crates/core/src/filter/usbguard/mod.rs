//! USBGuard's rule language: a site's `/etc/usbguard/rules.conf` says which devices are told of.
//!
//! The language is that of `usbguard-rules.conf(5)`, read as USBGuard's own parser reads it. A rule that an event alone cannot
//! decide is refused when the policy is read: to leave it out would decide otherwise than the site does.
//!
//! Reading takes time in proportion to the text, deciding in proportion to the policy: no line is longer than
//! [`LONGEST_LINE`], and nothing nests but a query in its condition.

mod condition;
mod lexer;
mod parser;
#[cfg(test)]
mod real;
mod rule;
mod set;

use condition::Condition;
use lexer::{Fault, Lexer};
use rule::{Attributes, Rule, Target};
pub use rule::{Decision, Subject};
use set::Set;

/// Bytes that a line may have.
pub const LONGEST_LINE: usize = 64 * 1024;

/// After so many faults the rest of the text is not read.
const MOST_FAULTS: usize = 100;

/// What a policy says of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A rule has decided.
    Decided {
        /// What it says.
        decision: Decision,
        /// The line that it is in, counted from 1.
        line: usize,
    },
    /// No rule matches; USBGuard would take its implicit target.
    Undecided,
}

/// The rules of a `rules.conf`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<DecidingRule>,
}

/// A rule whose condition, if it had one, is met for every event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DecidingRule {
    line: usize,
    decision: Decision,
    attributes: Attributes,
}

impl DecidingRule {
    /// What is unknown allows nothing, and holds back what a rule would hold back for it.
    fn matches(&self, subject: &Subject<'_>) -> bool {
        self.attributes.match_device(subject, self.decision != Decision::Allow)
    }
}

impl Policy {
    /// Reads a policy: a rule or a comment in each line.
    ///
    /// # Errors
    /// A sentence for every line that is at fault: where, what was found, what was expected.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut policy = Self::default();
        let mut faults = Vec::new();
        for (line, content) in (1..).zip(text.split('\n')) {
            match read(line, content) {
                Ok(rule) => policy.rules.extend(rule),
                Err(fault) => faults.push(fault),
            }
            if faults.len() == MOST_FAULTS {
                faults.push(format!("line {line}: found {MOST_FAULTS} faults, expected fewer to read on"));
                break;
            }
        }
        if faults.is_empty() { Ok(policy) } else { Err(faults) }
    }

    /// Asks the rules in their order: the first that matches decides.
    pub fn decide(&self, subject: &Subject<'_>) -> Verdict {
        let matching = self.rules.iter().find(|rule| rule.matches(subject));
        matching
            .map_or(Verdict::Undecided, |rule| Verdict::Decided { decision: rule.decision, line: rule.line })
    }
}

/// The rule of a line, unless there is none or it could never apply.
fn read(line: usize, content: &str) -> Result<Option<DecidingRule>, String> {
    let length = content.len();
    if length > LONGEST_LINE {
        return Err(format!("line {line}, column 1: found {length} bytes, expected at most {LONGEST_LINE}"));
    }
    let rule = parser::rule(content).and_then(|rule| match rule {
        Some(rule) => for_events(rule, line, content),
        None => Ok(None),
    });
    rule.map_err(|fault| fault.sentence(line))
}

fn for_events(rule: Rule, line: usize, content: &str) -> Result<Option<DecidingRule>, Fault> {
    let Target::Decision(decision) = rule.target else {
        let mut start = Lexer::new(content);
        start.skip_blanks();
        return Err(start.fault("allow, block or reject: a rule with this target decides nothing"));
    };
    let is_applied = match &rule.conditions {
        Some(conditions) => is_met(conditions, content)?,
        None => true,
    };
    Ok(is_applied.then_some(DecidingRule { line, decision, attributes: rule.attributes }))
}

fn is_met(conditions: &Set<Condition>, content: &str) -> Result<bool, Fault> {
    match conditions.values.iter().find(|condition| condition.value().is_none()) {
        Some(Condition { offset, kind, .. }) => {
            let name = kind.name();
            let expected = format!("true or false: the condition {name} cannot be decided for events");
            Err(Lexer::starting_at(content, *offset).fault(expected))
        }
        None => Ok(conditions.is_met(|condition| condition.value() == Some(true))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::device::InterfaceClass;

    const DISK: InterfaceClass = InterfaceClass { class: 8, subclass: 6, protocol: 0x50 };
    const KEYBOARD: InterfaceClass = InterfaceClass { class: 3, subclass: 1, protocol: 1 };
    const NETWORK: InterfaceClass = InterfaceClass { class: 2, subclass: 6, protocol: 0 };
    const WIRELESS: InterfaceClass = InterfaceClass { class: 0xe0, subclass: 1, protocol: 1 };
    const OTHER_INPUT: InterfaceClass = InterfaceClass { class: 3, subclass: 0, protocol: 0 };

    const YUBIKEY: Subject<'static> = Subject {
        vendor_id: 0x1050,
        product_id: 0x0011,
        serial: Some("0001234567"),
        name: Some("Yubico Yubikey II"),
        port: "1-2",
        interfaces: Some(&[KEYBOARD]),
        hash: Some("044b5e168d40ee0245478416caf3d998"),
        parent_hash: None,
        connect_type: None,
    };

    fn with_interfaces(interfaces: &'static [InterfaceClass]) -> Subject<'static> {
        Subject { interfaces: Some(interfaces), ..YUBIKEY }
    }

    fn policy(text: &str) -> Policy {
        Policy::parse(text).expect("no fault")
    }

    fn decided(decision: Decision, line: usize) -> Verdict {
        Verdict::Decided { decision, line }
    }

    fn faults(text: &str) -> Vec<String> {
        Policy::parse(text).expect_err("a fault")
    }

    #[test]
    fn manual_example_1_allows_disks_only() {
        let policy = policy("allow with-interface equals { 08:*:* }\n");
        for (interfaces, verdict) in [
            (&[DISK][..], decided(Decision::Allow, 1)),
            (&[DISK, KEYBOARD], Verdict::Undecided),
            (&[DISK, DISK], Verdict::Undecided),
            (&[KEYBOARD], Verdict::Undecided),
            (&[], Verdict::Undecided),
        ] {
            assert_eq!(policy.decide(&with_interfaces(interfaces)), verdict, "{interfaces:?}");
        }
    }

    #[test]
    fn manual_example_2_allows_one_device_at_a_port() {
        let policy = policy(concat!(
            "allow 1050:0011 name \"Yubico Yubikey II\" serial \"0001234567\" via-port \"1-2\" ",
            "hash \"044b5e168d40ee0245478416caf3d998\"\nreject via-port \"1-2\"\n",
        ));
        let rejected = decided(Decision::Reject, 2);
        for (subject, verdict) in [
            (YUBIKEY, decided(Decision::Allow, 1)),
            (Subject { serial: Some("0001234568"), ..YUBIKEY }, rejected),
            (Subject { name: Some("Yubikey"), ..YUBIKEY }, rejected),
            (Subject { product_id: 0x0012, ..YUBIKEY }, rejected),
            (Subject { hash: Some("044b"), ..YUBIKEY }, rejected),
            (Subject { hash: None, ..YUBIKEY }, rejected),
            (Subject { port: "1-3", ..YUBIKEY }, Verdict::Undecided),
        ] {
            assert_eq!(policy.decide(&subject), verdict, "{subject:?}");
        }
    }

    #[test]
    fn manual_example_3_rejects_suspicious_combinations() {
        let policy = policy(
            "allow with-interface equals { 08:*:* }\n\
             reject with-interface all-of { 08:*:* 03:00:* }\n\
             reject with-interface all-of { 08:*:* 03:01:* }\n\
             reject with-interface all-of { 08:*:* e0:*:* }\n\
             reject with-interface all-of { 08:*:* 02:*:* }\n",
        );
        for (interfaces, verdict) in [
            (&[DISK][..], decided(Decision::Allow, 1)),
            (&[DISK, OTHER_INPUT], decided(Decision::Reject, 2)),
            (&[KEYBOARD, DISK], decided(Decision::Reject, 3)),
            (&[DISK, WIRELESS], decided(Decision::Reject, 4)),
            (&[DISK, NETWORK], decided(Decision::Reject, 5)),
            (&[KEYBOARD, NETWORK], Verdict::Undecided),
        ] {
            assert_eq!(policy.decide(&with_interfaces(interfaces)), verdict, "{interfaces:?}");
        }
    }

    #[test]
    fn manual_examples_4_and_5_ask_for_more_than_an_event_tells() {
        assert_eq!(
            faults(
                "allow with-interface one-of { 03:00:01 03:01:01 } \
                 if !allowed-matches(with-interface one-of { 03:00:01 03:01:01 })"
            ),
            ["line 1, column 54: found \"!allowed-matches(with-interface\", expected true or false: \
              the condition allowed-matches cannot be decided for events"]
        );
        assert_eq!(
            faults("allow if random(0.1666)\nreject"),
            ["line 1, column 10: found \"random(0.1666)\", expected true or false: \
              the condition random cannot be decided for events"]
        );
    }

    #[test]
    fn a_rule_applies_where_its_fixed_condition_is_met() {
        for (condition, applies) in [
            ("true", true),
            ("!true", false),
            ("{ true !false }", true),
            ("{ true false }", false),
            ("one-of { false true }", true),
            ("none-of { false !true }", true),
            ("none-of { false true }", false),
        ] {
            let verdict = policy(&format!("# condition\nblock if {condition}\n\nallow")).decide(&YUBIKEY);
            let expected = if applies { decided(Decision::Block, 2) } else { decided(Decision::Allow, 4) };
            assert_eq!(verdict, expected, "{condition}");
        }
        assert_eq!(policy("").decide(&YUBIKEY), Verdict::Undecided);
    }

    #[test]
    fn every_line_at_fault_is_named() {
        assert_eq!(
            faults("allow\nalow\n# x\n  device 1d6b:0002\nmatch\nblock if localtime(10:00)"),
            [
                "line 2, column 1: found \"alow\", expected a target: allow, block or reject",
                "line 4, column 3: found \"device\", expected allow, block or reject: \
                 a rule with this target decides nothing",
                "line 5, column 1: found \"match\", expected allow, block or reject: \
                 a rule with this target decides nothing",
                "line 6, column 10: found \"localtime(10:00)\", expected true or false: \
                 the condition localtime cannot be decided for events",
            ]
        );
    }

    #[test]
    fn faults_and_lines_have_a_limit() {
        let found = faults(&"x\n".repeat(MOST_FAULTS * 2));
        assert_eq!(found.len(), MOST_FAULTS + 1);
        assert_eq!(found[MOST_FAULTS], "line 100: found 100 faults, expected fewer to read on");
        let longest = format!("allow # {}", "x".repeat(LONGEST_LINE - 8));
        assert_eq!(policy(&longest).decide(&YUBIKEY), decided(Decision::Allow, 1));
        let fault = "line 1, column 1: found 65537 bytes, expected at most 65536";
        assert_eq!(faults(&format!("{longest}x")), [fault]);
    }

    #[test]
    fn what_is_unknown_is_allowed_nothing_and_held_back_for() {
        let unknown = Subject { hash: None, ..YUBIKEY };
        let allow = policy("allow hash \"a\"\nallow 1050:*\n");
        assert_eq!(allow.decide(&unknown), decided(Decision::Allow, 2));
        let reject = policy("reject hash \"a\"\nallow 1050:*\n");
        assert_eq!(reject.decide(&unknown), decided(Decision::Reject, 1));
        assert_eq!(reject.decide(&YUBIKEY), decided(Decision::Allow, 2));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Policy::parse(&text).map(|policy| policy.decide(&YUBIKEY));
        }

        #[test]
        fn no_text_of_the_language_makes_it_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "allow", "block ", "reject", "device", "\n", " ", "\t", "\r", "#", "{", " }", "(", ")", "!", "\"", "\\",
                "\\x", "4", "é", "*", ":", "1d6b:0002", " id ", " name ", " hash ", " with-interface ", "03:00:*", " if ",
                "one-of ", "match-all", "equals", "true", "random", "localtime(", "10:0", "-", "allowed-matches(", "+",
            ]), 0..40)
        ) {
            let _ = Policy::parse(&parts.concat()).map(|policy| policy.decide(&YUBIKEY));
        }
    }
}
