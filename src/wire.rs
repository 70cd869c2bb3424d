//! Notices as JavaScript gets them: JSON, in which a device that leaves is only what has changed since it came.
//!
//! JavaScript has the rest, and text that it need not parse is garbage that it need not collect.

use std::collections::HashMap;

use serde::Serialize;
use usb_daemon_core::{Action, Backend, Event, Notice, Synthetic};

/// Which attachment JavaScript knows under each signature. One signature may stand for two devices for a while.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    known: HashMap<String, u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Left { r#type: &'static str, signature: &'a str, changes: Changes },
    Other(&'a Notice),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    timestamp: u64,
    event_id: String,
    backend: Backend,
    /// Empty for none: JSON has no undefined, and what was there at attach has to be taken away.
    synthetic: &'static str,
}

impl Wire {
    /// `{ more, notices }`.
    pub(crate) fn write(&mut self, notices: &[Notice], more: bool) -> Result<String, serde_json::Error> {
        let lines: Vec<Line<'_>> = notices.iter().map(|notice| self.line(notice)).collect();
        let notices = serde_json::to_string(&lines)?;
        Ok(format!("{{\"more\":{more},\"notices\":{notices}}}"))
    }

    fn line<'a>(&mut self, notice: &'a Notice) -> Line<'a> {
        let (Notice::Transition(event) | Notice::Stayed(event)) = notice else { return Line::Other(notice) };
        let (signature, instance) = (&event.attachment.signature, event.attachment.instance);
        match event.action {
            Action::Attach => {
                self.known.insert(signature.clone(), instance);
                Line::Other(notice)
            }
            Action::Detach if self.known.get(signature) == Some(&instance) => {
                self.known.remove(signature);
                Line::Left { r#type: "left", signature, changes: changes(event) }
            }
            Action::Detach => {
                // JavaScript has one place for a signature, and takes out what is there.
                self.known.remove(signature);
                Line::Other(notice)
            }
        }
    }
}

fn changes(event: &Event) -> Changes {
    Changes {
        timestamp: event.timestamp_ms,
        event_id: event.event_id(),
        backend: event.backend,
        synthetic: event.synthetic.map_or("", Synthetic::as_str),
    }
}
