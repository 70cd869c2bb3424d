//! What can be asked of whoever has the rights: one line each, of a fixed grammar. Nothing in it is a path, an option or a pattern.
//!
//! | Line | Does |
//! |---|---|
//! | `module usbserial` | loads a kernel module with what it needs |
//! | `modalias 1-4.2:1.0` | loads the modules that this interface's modalias asks for |
//! | `new-id generic 1209 dead` | tells a driver that a vendor's product is one of its own |
//! | `bind ftdi_sio 1-4.2:1.0` | gives an interface that has no driver to this one |
//! | `authorize 1-4.2 0` | has the kernel use nothing of a device, with `1` use it again |

use std::fmt;

use crate::config::is_kernel_name;
use crate::device::PortPath;

/// The longest line that can be one: longer ones are not read.
pub(crate) const LONGEST_LINE: usize = 160;
/// Before a request that is only to be judged.
pub(super) const CHECK: &str = "check ";

/// One thing to do. What is in it has the form that it has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Module(String),
    Modalias(String),
    NewId { driver: String, vendor: u16, product: u16 },
    Bind { driver: String, interface: String },
    Authorize { device: String, authorized: bool },
}

type Form = fn(&str) -> bool;
/// The words that there are, and the forms of what follows them.
const FORMS: [(&str, &[Form]); 5] = [
    ("module", &[is_kernel_name]),
    ("modalias", &[is_interface]),
    ("new-id", &[is_kernel_name, is_id, is_id]),
    ("bind", &[is_kernel_name, is_interface]),
    ("authorize", &[is_device, is_switch]),
];

impl Request {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// Where it is none: what was expected.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words = words(line, |_| false)?;
        let text = |at: usize| words.get(at).copied().unwrap_or_default().to_owned();
        // They have been found to be hex digits.
        let id = |at: usize| u16::from_str_radix(&text(at), 16).unwrap_or_default();
        Ok(match words.first().copied().unwrap_or_default() {
            "module" => Self::Module(text(1)),
            "modalias" => Self::Modalias(text(1)),
            "new-id" => Self::NewId { driver: text(1), vendor: id(2), product: id(3) },
            "bind" => Self::Bind { driver: text(1), interface: text(2) },
            _ => Self::Authorize { device: text(1), authorized: text(2) == "1" },
        })
    }
}

/// What is said of a `new-id` for whose IDs no device lacks a driver.
pub(super) fn no_device(vendor: u16, product: u16) -> String {
    format!("no device {vendor:04x}:{product:04x} has an interface without a driver")
}

/// The words of a line whose first one is known and whose others have their forms, or are what else may stand there.
///
/// # Errors
/// What is wrong with it.
pub(super) fn words(line: &str, may_stand: fn(&str) -> bool) -> Result<Vec<&str>, String> {
    if line.len() > LONGEST_LINE {
        return Err(format!("longer than {LONGEST_LINE} bytes"));
    }
    let words: Vec<&str> = line.split(' ').collect();
    let (first, rest) = words.split_first().ok_or("empty")?;
    let Some((_, forms)) = FORMS.iter().find(|(word, _)| word == first) else {
        return Err("expected module, modalias, new-id, bind or authorize".to_owned());
    };
    if rest.len() != forms.len() {
        return Err(format!("{first} is followed by {}, each after one blank", counted(forms.len())));
    }
    match rest.iter().zip(*forms).position(|(word, form)| !form(word) && !may_stand(word)) {
        Some(at) => Err(format!("word {} behind {first} has not the form that it has to have", at + 1)),
        None => Ok(words),
    }
}

fn counted(words: usize) -> String {
    if words == 1 { "one word".to_owned() } else { format!("{words} words") }
}

/// Of a device that hangs on a port: no root hub, without which a whole bus would be gone.
fn is_device(text: &str) -> bool {
    let is_real = |port: &PortPath| port.bus() > 0 && !port.ports().is_empty() && !port.ports().contains(&0);
    PortPath::parse(text).is_some_and(|port| is_real(&port) && port.name() == text)
}

fn is_interface(text: &str) -> bool {
    let Some((device, (configuration, interface))) =
        text.split_once(':').and_then(|(device, rest)| Some((device, rest.split_once('.')?)))
    else {
        return false;
    };
    // As the kernel writes them: a sign or a zero in front is none of its own.
    let is_number = |text: &str| text.parse::<u8>().is_ok_and(|number| number.to_string() == text);
    is_device(device) && is_number(configuration) && is_number(interface)
}

fn is_id(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_switch(text: &str) -> bool {
    matches!(text, "0" | "1")
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(name) => write!(out, "module {name}"),
            Self::Modalias(interface) => write!(out, "modalias {interface}"),
            Self::NewId { driver, vendor, product } => {
                write!(out, "new-id {driver} {vendor:04x} {product:04x}")
            }
            Self::Bind { driver, interface } => write!(out, "bind {driver} {interface}"),
            Self::Authorize { device, authorized } => {
                write!(out, "authorize {device} {}", u8::from(*authorized))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: [&str; 9] = [
        "module usbserial",
        "module snd-usb-audio",
        "modalias 1-4.2:1.0",
        "new-id ftdi_sio 0403 6001",
        "new-id generic 1209 dead",
        "bind ftdi_sio 1-1:1.0",
        "bind usb-storage 200-1.2.3.4.5.6:255.255",
        "authorize 1-1 0",
        "authorize 1-1.7 1",
    ];

    #[test]
    fn each_line_is_read_and_written_alike() {
        for line in GOOD {
            assert_eq!(Request::parse(line).expect(line).to_string(), line);
        }
    }

    #[test]
    fn hostile_lines_are_none() {
        for line in [
            "",
            " ",
            "module",
            "module ",
            "module  x",
            " module x",
            "module x ",
            "module x y",
            "module -r",
            "module --all",
            "module ../x",
            "module a/b",
            "module a.ko",
            "module *",
            "module x\n",
            "module x\0",
            "module x\ty",
            "module é",
            "Module x",
            "rmmod x",
            "new-id x 403 6001",
            "new-id x 0403 6001 ff",
            "new-id x 040G 6001",
            "new-id x 04AB 6001",
            "new-id x +403 6001",
            "new-id ../../../etc 0403 6001",
            "bind x 1-1",
            "bind x 1-1:1",
            "bind x 1-1:1.0/..",
            "bind x ../1-1:1.0",
            "bind x 1-1:01.0",
            "bind x 1-1:1.+0",
            "bind x 1-1:256.0",
            "bind x usb1:1.0",
            "bind .. 1-1:1.0",
            "bind x 1-01:1.0",
            "authorize usb1 0",
            "authorize 1-0 0",
            "authorize 1-1 2",
            "authorize 1-1 true",
            "authorize .. 0",
            "authorize 1-1/../2-1 0",
            "modalias usb:v0403*",
            "check module x",
            "check",
        ] {
            assert!(Request::parse(line).is_err(), "{line:?}");
        }
        assert!(Request::parse(&format!("module {}", "x".repeat(56))).is_err());
        assert!(Request::parse(&"module x ".repeat(1000)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_names_nothing_outside(line in "(module|modalias|new-id|bind|authorize|check)( [ -~]{0,12}){0,4}|[ -~\\PC]{0,200}") {
            if let Ok(request) = Request::parse(&line) {
                prop_assert_eq!(request.to_string(), line.clone());
                prop_assert!(!line.contains('/') && !line.contains("..") && !line.contains(" -"));
                prop_assert!(line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _-.:".contains(&byte)));
            }
        }
    }
}
