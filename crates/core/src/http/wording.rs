//! How what happens is worded as server-sent events: as `/events` has it, and as AutoWeave's API does.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use crate::clock;
use crate::event::{Action, Event};
use crate::notice::Notice;
use crate::ready::Readiness;
use crate::withheld::Withheld;

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wording {
    /// All that happens, and what is known of each event.
    Events,
    /// `device.attach` and `device.detach`, each as the API answers.
    Api,
}

impl Wording {
    pub(super) fn transition(self, text: &mut String, event: &Event) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "id: {}", event.event_id());
        match (self, event.action) {
            (Self::Events, action) => {
                let data = json!({
                    "type": action,
                    "seq": event.seq,
                    "eventId": event.event_id(),
                    "device": event.info(),
                    "seenBy": event.journey.seen_by(),
                    "steps": event.journey.steps(),
                });
                write(text, action.as_str(), &data);
            }
            (Self::Api, action) => {
                let name = match action {
                    Action::Attach => "device.attach",
                    Action::Detach => "device.detach",
                };
                let data =
                    json!({ "status": "success", "data": event.info(), "timestamp": event.timestamp_ms });
                write(text, name, &data);
            }
        }
    }

    pub(super) fn progress(self, text: &mut String, event: &Event, stream_id: Option<&str>) {
        if self == Self::Api {
            return;
        }
        let mut data = json!({
            "eventId": event.event_id(),
            "seenBy": event.journey.seen_by(),
            "steps": event.journey.steps(),
        });
        if let Some(stream_id) = stream_id {
            data["streamId"] = stream_id.into();
        }
        write(text, "progress", &data);
    }

    pub(super) fn withheld(self, text: &mut String, withheld: &Withheld) {
        if self == Self::Events {
            write(text, "withheld", withheld);
        }
    }

    pub(super) fn told(self, text: &mut String, notice: &Notice) {
        match notice {
            Notice::Gap(gap) => write(text, "gap", gap),
            Notice::Ready { event, readiness } if self == Self::Events => {
                let (event_id, signature) = (event.event_id(), event.attachment.signature.as_str());
                write(text, "ready", &Ready { event_id, signature, readiness });
            }
            Notice::Source(status) if self == Self::Events => write(text, "source", status),
            Notice::Redis(status) if self == Self::Events => write(text, "redis", status),
            Notice::Driver(report) if self == Self::Events => write(text, "driver", report),
            Notice::Error { error, context } if self == Self::Events => {
                let data =
                    json!({ "code": error.code.as_str(), "message": error.message, "context": context });
                write(text, "error", &data);
            }
            _ => {}
        }
    }

    /// Of what is no event, some has passed this client by.
    pub(super) fn skipped(self, text: &mut String, count: u64) {
        if self == Self::Events {
            write(text, "skipped", &json!({ "count": count }));
        }
    }
}

/// How far a device is, whose attach the client knows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    event_id: String,
    signature: &'a str,
    #[serde(flatten)]
    readiness: &'a Readiness,
}

/// Events that a client has not been told of are no longer kept, or were never here.
pub(super) fn not_kept(text: &mut String, lost: Option<u64>) {
    let mut data = json!({
        "source": "outbox", "cause": "not-kept", "timestamp": clock::now_ms(), "synthesized": 0,
    });
    if let Some(lost) = lost {
        data["lost"] = lost.into();
    }
    write(text, "gap", &data);
}

/// JSON has no line breaks of its own.
fn write(text: &mut String, event: &str, data: &impl Serialize) {
    // Numbers, texts and lists: nothing in it can fail to be written.
    let data = serde_json::to_string(data).unwrap_or_default();
    let _ = write!(text, "event: {event}\ndata: {data}\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_device_says_ends_a_line() {
        let mut text = String::new();
        write(&mut text, "attach", &json!({ "product": "a\n\nevent: x\r\ndata: y\u{2028}" }));
        assert_eq!(text.matches('\n').count(), 3, "{text}");
        assert!(!text.contains('\r'));
    }
}
