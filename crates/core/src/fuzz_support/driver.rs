//! What the helper for drivers reads: requests of whoever asks, and root's list of those that it carries out.

use crate::driver::{AllowList, Request};

/// A line of whoever asks.
///
/// # Panics
/// Where the reader breaks a law.
pub fn driver_request(line: &[u8]) {
    let Ok(line) = std::str::from_utf8(line) else { return };
    match Request::parse(line) {
        Ok(request) => {
            assert_eq!(request.to_string(), line);
            assert_eq!(Request::parse(&request.to_string()), Ok(request));
            // No path, no option, no pattern.
            assert!(!line.contains(['/', '*']) && !line.contains("..") && !line.contains(" -"), "{line}");
        }
        Err(why) => assert!(super::is_presentable(&why), "{why:?}"),
    }
}

/// A list. The whole allows what its lines allow one by one.
///
/// # Panics
/// Where the reader breaks a law.
pub fn allow_list(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let lines: Vec<_> = text.lines().map(AllowList::parse).collect();
    match AllowList::parse(text) {
        Ok(list) => {
            let asked: Vec<Request> = ASKED.iter().filter_map(|line| Request::parse(line).ok()).collect();
            assert_eq!(asked.len(), ASKED.len());
            for request in asked {
                let alone = lines.iter().flatten().any(|line| line.allows(&request));
                assert_eq!(list.allows(&request), alone, "{request}");
            }
            // What stands there word for word is allowed.
            for request in text.lines().filter_map(|line| Request::parse(line.trim()).ok()) {
                assert!(list.allows(&request), "{request}");
            }
        }
        Err(why) => {
            assert!(super::is_presentable(&why), "{why:?}");
            let at = lines.iter().position(Result::is_err).map(|at| format!("line {}: ", at + 1));
            assert!(at.is_some_and(|at| why.starts_with(&at)), "{why}");
        }
    }
}

/// One of each kind.
const ASKED: [&str; 5] = [
    "module usbserial",
    "modalias 1-4.2:1.0",
    "new-id generic 1209 dead",
    "bind ftdi_sio 1-1:1.0",
    "authorize 1-1 0",
];
