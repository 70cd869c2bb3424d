//! What people write: a configuration, a Redis URL, a site's policy.

use crate::config::Config;
use crate::device::InterfaceClass;
use crate::error::Code;
use crate::filter::usbguard::{Policy, Subject, Verdict};
use crate::redis_url::{UrlPart, url_says, url_without};

/// Faults that a policy is read up to, and the sentence that there are more.
const MOST_FAULTS: usize = 101;

/// A configuration as JSON. What is taken is, written down, the same configuration.
///
/// # Panics
/// Where the reader breaks a law.
pub fn config(json: &[u8]) {
    let Ok(json) = std::str::from_utf8(json) else { return };
    match Config::read(json) {
        Ok(reading) => {
            let written = serde_json::to_value(&reading.config).expect("JSON");
            let again = Config::read(&written.to_string()).expect("what was taken before");
            assert_eq!(serde_json::to_value(&again.config).expect("JSON"), written);
        }
        Err(error) => {
            assert!(error.code == Code::Config && !error.message.is_empty());
            assert!(error.message.len() <= 64 * json.len() + 4096, "{} bytes", error.message.len());
            assert!(!error.message.contains(char::is_control), "{:?}", error.message);
        }
    }
}

/// A Redis URL. What is taken away is gone, and the rest stays.
///
/// # Panics
/// Where the reader breaks a law.
pub fn redis_url(url: &[u8]) {
    let Ok(url) = std::str::from_utf8(url) else { return };
    for part in UrlPart::ALL {
        let without = url_without(url, part);
        assert!(!url_says(&without, part), "{without:?} says {}", part.key());
        assert_eq!(url_without(&without, part), without, "{} of {url:?}", part.key());
        for other in UrlPart::ALL.into_iter().filter(|other| *other != part) {
            assert_eq!(url_says(&without, other), url_says(url, other), "{} of {url:?}", other.key());
        }
    }
}

/// A policy in USBGuard's language. The whole says what its lines say one by one.
///
/// # Panics
/// Where the reader breaks a law.
pub fn usbguard_rules(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let lines: Vec<_> = text.split('\n').map(Policy::parse).collect();
    match Policy::parse(text) {
        Ok(policy) => {
            for subject in &SUBJECTS {
                // No line before decides, and its own line counts itself as the first.
                let alone = lines.iter().position(|line| {
                    line.as_ref().is_ok_and(|line| line.decide(subject) != Verdict::Undecided)
                });
                let line = match policy.decide(subject) {
                    Verdict::Decided { line, .. } => Some(line - 1),
                    Verdict::Undecided => None,
                };
                assert_eq!(line, alone, "{subject:?}");
            }
        }
        Err(faults) => {
            assert!(faults.len() <= MOST_FAULTS && faults.iter().all(|fault| super::is_presentable(fault)));
            let in_lines = lines.iter().filter(|line| line.is_err()).count();
            assert!(in_lines == faults.len() || faults.len() == MOST_FAULTS, "{faults:?} of {in_lines}");
        }
    }
    assert!(lines.iter().filter_map(|line| line.as_ref().err()).all(|faults| faults.len() == 1));
}

/// A device of which all is known, and one of which only that is known which every event tells.
const SUBJECTS: [Subject<'static>; 2] = [
    Subject {
        vendor_id: 0x1050,
        product_id: 0x0011,
        serial: Some("0001234567"),
        name: Some("Yubico Yubikey II"),
        port: "1-2",
        interfaces: Some(&[
            InterfaceClass { class: 3, subclass: 1, protocol: 1 },
            InterfaceClass { class: 8, subclass: 6, protocol: 0x50 },
        ]),
        hash: Some("044b5e168d40ee0245478416caf3d998"),
        parent_hash: Some(""),
        connect_type: Some("hotplug"),
    },
    Subject {
        vendor_id: 0x1d6b,
        product_id: 2,
        serial: None,
        name: None,
        port: "usb1",
        interfaces: None,
        hash: None,
        parent_hash: None,
        connect_type: None,
    },
];
