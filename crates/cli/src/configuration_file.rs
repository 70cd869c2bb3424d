//! What the configuration file says, and `USB_DAEMON_SET`, which may set any key of it.

use std::path::Path;

use serde_json::{Map, Value};
use usb_daemon_core::{Code, Error};

use crate::setting::{self, Origin, is_at_or_within};

const SET: &str = "USB_DAEMON_SET";

/// What a configuration file says.
///
/// # Errors
/// `ERR_USB_CONFIG` where it cannot be read, or is not one JSON object.
pub(crate) fn read(path: &Path) -> Result<Map<String, Value>, Error> {
    let bad = |why: String| Error::new(Code::Config, format!("configuration file {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| bad(error.to_string()))
}

/// What the configuration file says, and over it what `USB_DAEMON_SET` sets in these sections: for commands that are no run, and that
/// nothing else in that variable is to break.
pub(crate) fn read_with_variable(
    path: Option<&Path>,
    sections: &[&str],
) -> Result<Map<String, Value>, Error> {
    let mut root = path.map_or_else(|| Ok(Map::new()), read)?;
    let settings =
        variable_to_set().into_iter().filter_map(|(origin, text)| setting::parse(&text, &origin).ok());
    for setting in settings.flatten() {
        if sections.iter().any(|section| is_at_or_within(&setting.path, section)) {
            setting.put_into(&mut root);
        }
    }
    Ok(root)
}

/// What `USB_DAEMON_SET` says, line by line.
pub(crate) fn variable_to_set() -> Vec<(Origin, String)> {
    let text = std::env::var(SET).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| (Origin::Environment(SET.into()), line.to_owned())).collect()
}
