//! Notices as JavaScript gets them: values where they can be (`arguments`), else JSON. A device that leaves is only what has changed since
//! it came: JavaScript has the rest, and what it is not given it need not collect.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use serde::Serialize;
use usb_daemon_core::{Action, Attachment, Backend, Event, Notice, Synthetic};

use crate::arguments::Handed;

/// In one call.
const MOST_INTERFACES: usize = 64;

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
    /// Null for none: what was there at attach has to be taken away.
    synthetic: Option<Synthetic>,
}

impl Wire {
    /// What JavaScript is called with, once for each.
    pub(crate) fn each(&mut self, notices: &[Notice], more: bool) -> serde_json::Result<Vec<Handed>> {
        let mut each: Vec<_> = notices.iter().map(|notice| self.hand(notice)).collect::<Result<_, _>>()?;
        if more {
            each.push(Handed::Text(self.write(&[], more)?));
        }
        Ok(each)
    }

    /// What JavaScript is called with once for all: an event that comes alone is not worth a text.
    pub(crate) fn all(&mut self, notices: &[Notice], more: bool) -> serde_json::Result<Handed> {
        if let ([notice], false) = (notices, more) {
            return self.hand(notice);
        }
        self.write(notices, more).map(Handed::Text)
    }

    fn hand(&mut self, notice: &Notice) -> serde_json::Result<Handed> {
        self.values(notice).map_or_else(|| self.write(slice::from_ref(notice), false).map(Handed::Text), Ok)
    }

    /// As values, where it can be told so.
    fn values(&mut self, notice: &Notice) -> Option<Handed> {
        match notice {
            Notice::Injected { ticket, .. } => Some(Handed::Injected(*ticket)),
            Notice::Published { event, stream_id, .. } => {
                is_short(event).then(|| Handed::Published(Arc::clone(event), stream_id.clone()))
            }
            Notice::Transition(event) | Notice::Stayed(event) => {
                let is_known = self.is_known(event);
                match event.action {
                    Action::Attach => is_short(event).then(|| Handed::Attached(Arc::clone(event))),
                    Action::Detach => is_known.then(|| Handed::Left(Arc::clone(event))),
                }
            }
            _ => None,
        }
    }

    /// `{ more, notices }`.
    pub(crate) fn write(&mut self, notices: &[Notice], more: bool) -> serde_json::Result<String> {
        let lines: Vec<Line<'_>> = notices.iter().map(|notice| self.line(notice)).collect();
        let notices = serde_json::to_string(&lines)?;
        Ok(format!("{{\"more\":{more},\"notices\":{notices}}}"))
    }

    fn line<'a>(&mut self, notice: &'a Notice) -> Line<'a> {
        match notice {
            Notice::Transition(event) | Notice::Stayed(event) if self.is_known(event) => {
                Line::Left { r#type: "left", signature: &event.attachment.signature, changes: changes(event) }
            }
            _ => Line::Other(notice),
        }
    }

    /// Whether it is the detach of a device of which JavaScript knows everything else; from now on it knows of one that comes.
    fn is_known(&mut self, event: &Event) -> bool {
        let Attachment { signature, instance, .. } = &*event.attachment;
        match event.action {
            Action::Attach => {
                self.known.insert(signature.clone(), *instance);
                false
            }
            // JavaScript has one place for a signature, and takes out what is there, whichever it is.
            Action::Detach => self.known.remove(signature) == Some(*instance),
        }
    }
}

/// Whether it is worth a call: without labels, with no more interfaces than a device has. Others are rare, and a call is no place for them.
fn is_short(event: &Event) -> bool {
    let Attachment { tags, device, .. } = &*event.attachment;
    tags.is_empty() && device.interfaces.len() <= MOST_INTERFACES
}

fn changes(event: &Event) -> Changes {
    Changes {
        timestamp: event.timestamp_ms,
        event_id: event.event_id(),
        backend: event.backend,
        synthetic: event.synthetic,
    }
}
