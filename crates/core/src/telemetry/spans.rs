//! An event's spans: made once it has taken its way, of the moments that it remembers.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::ids::{PUBLISH, ROOT, SpanId, TraceId};
use crate::event::{Action, Event};
use crate::journey::Step;

/// Text of a device's own in an attribute.
const LONGEST_TEXT: usize = 128;

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Words.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Decimal(f64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

pub(super) type Attributes = Vec<(&'static str, Value)>;

/// Who a span is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Nobody but this process.
    Internal,
    /// Whoever takes up what it sends.
    Producer,
}

/// Of a program that relays spans: a map, as its API takes it.
fn as_map<S: Serializer>(attributes: &Attributes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter().map(|(key, value)| (key, value)))
}

/// Seconds and nanoseconds, as OpenTelemetry's API for JavaScript takes a time.
fn as_time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos()).serialize(serializer)
}

/// One span.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    #[serde(serialize_with = "as_time")]
    pub(super) start: SystemTime,
    #[serde(serialize_with = "as_time")]
    pub(super) end: SystemTime,
    #[serde(serialize_with = "as_map")]
    pub(super) attributes: Attributes,
    /// Sources that have seen the transition, and when.
    pub(super) seen: Vec<Sighting>,
}

/// A source has seen a transition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sighting {
    pub(super) source: &'static str,
    #[serde(serialize_with = "as_time")]
    pub(super) at: SystemTime,
}

/// The moments of an event's way, as far as they are known: an event that was read back knows of none but the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    pub(super) observed: Option<SystemTime>,
    pub(super) described: Option<SystemTime>,
    pub(super) announced: Option<SystemTime>,
    pub(super) stored: Option<SystemTime>,
    pub(super) published: Option<SystemTime>,
    /// When each source has reported it.
    pub(super) seen: Vec<Sighting>,
}

impl Moments {
    /// What an event remembers by now.
    pub(super) fn of(event: &Event) -> Self {
        if event.journey.observed().is_none() {
            return Self { published: Some(SystemTime::now()), ..Self::default() };
        }
        // All of them are on one scale, which began then: that of `Instant` stands still while the machine sleeps.
        let observed = told(event);
        let at = |step| event.journey.at(step).map(|after| observed + after);
        let seen = event.journey.seen().map(|(source, micros)| {
            let distance = Duration::from_micros(micros.unsigned_abs());
            Sighting { source, at: if micros < 0 { observed - distance } else { observed + distance } }
        });
        Self {
            observed: Some(observed),
            described: at(Step::Describe),
            announced: at(Step::Announce),
            stored: at(Step::Store),
            published: at(Step::Publish),
            seen: seen.collect(),
        }
    }
}

/// Where it was published.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) stream: Arc<str>,
    pub(super) id: String,
}

/// When it was observed, as it says itself.
fn told(event: &Event) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(event.timestamp_ms)
}

/// The event's own span, and one of each step that is known.
pub(super) fn spans_of(event: &Event, moments: &Moments, entry: Option<&Entry>) -> Vec<Span> {
    let event_id = event.event_id();
    let trace = TraceId::of(&event_id);
    let root = SpanId::of(&event_id, ROOT);
    let observed = moments.observed.unwrap_or_else(|| told(event));
    // Whoever saw it first began it.
    let start = moments.seen.iter().map(|sighting| sighting.at).fold(observed, SystemTime::min);
    let mut spans = vec![Span {
        trace,
        id: root,
        parent: None,
        name: match event.action {
            Action::Attach => "usb attach",
            Action::Detach => "usb detach",
        },
        kind: Kind::Internal,
        start,
        end: start,
        attributes: about(event, &event_id),
        seen: moments.seen.clone(),
    }];
    let steps = [
        ("observe", moments.observed),
        ("describe", moments.described),
        ("announce", moments.announced),
        ("store", moments.stored),
        (PUBLISH, moments.published),
    ];
    let mut from = start;
    for (name, until) in steps {
        let Some(until) = until else { continue };
        // A clock that has been set back makes no span that ends before it begins.
        let until = until.max(from);
        let (kind, attributes) = match (name, entry) {
            (PUBLISH, Some(entry)) => (Kind::Producer, sending(entry)),
            ("store", _) => (Kind::Internal, vec![("db.system.name", "sqlite".into())]),
            _ => (Kind::Internal, Vec::new()),
        };
        let id = SpanId::of(&event_id, name);
        spans.push(Span {
            trace,
            id,
            parent: Some(root),
            name,
            kind,
            start: from,
            end: until,
            attributes,
            seen: Vec::new(),
        });
        from = until;
    }
    spans[0].end = from;
    spans
}

/// What is told of a device. Nothing that names the unit: neither its serial number nor what is made of that.
fn about(event: &Event, event_id: &str) -> Attributes {
    let attachment = &*event.attachment;
    let device = &attachment.device;
    let mut attributes: Attributes = vec![
        ("usb.action", event.action.as_str().into()),
        ("usb.event_id", event_id.into()),
        ("usb.vendor_id", format!("{:04x}", device.descriptor.id_vendor).into()),
        ("usb.product_id", format!("{:04x}", device.descriptor.id_product).into()),
        ("usb.device_class", Value::Whole(device.descriptor.b_device_class.into())),
        ("usb.bus_number", Value::Whole(device.address.bus.into())),
        ("usb.device_address", Value::Whole(device.address.device.into())),
        ("usb.port_path", device.port_path.to_string().into()),
        ("usb.device_signature", attachment.signature.as_str().into()),
        ("usb.backend", event.backend.as_str().into()),
        ("usb.partial", Value::Flag(device.partial)),
    ];
    for (name, text) in [("usb.manufacturer", &device.manufacturer), ("usb.product", &device.product)] {
        if let Some(text) = text {
            attributes.push((name, text.chars().take(LONGEST_TEXT).collect::<String>().into()));
        }
    }
    if let Some(speed) = device.speed.as_deref().and_then(|speed| speed.parse().ok()) {
        attributes.push(("usb.speed_mbps", Value::Decimal(speed)));
    }
    if let Some(synthetic) = event.synthetic {
        attributes.push(("usb.synthetic", synthetic.as_str().into()));
    }
    attributes
}

/// As OpenTelemetry's conventions for messaging have it.
fn sending(entry: &Entry) -> Attributes {
    let mut attributes: Attributes = vec![
        ("messaging.system", "redis".into()),
        ("messaging.operation.type", "send".into()),
        ("messaging.operation.name", "XADD".into()),
        ("messaging.destination.name", (&*entry.stream).into()),
    ];
    // Where the reply was lost, nobody knows it.
    if !entry.id.is_empty() {
        attributes.push(("messaging.message.id", entry.id.as_str().into()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::journey::Journey;
    use crate::test_support::event;

    fn at(ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(ms)
    }

    fn shape(spans: &[Span]) -> Vec<(&'static str, u128, u128)> {
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        spans.iter().map(|span| (span.name, since(span.start), since(span.end))).collect()
    }

    #[test]
    fn each_step_that_is_known_has_a_span_and_together_they_fill_the_events_own() {
        let moments = Moments {
            observed: Some(at(1_005)),
            described: Some(at(1_006)),
            announced: Some(at(1_008)),
            stored: Some(at(1_007)),
            published: Some(at(1_020)),
            seen: [("libusb", 1_006), ("netlink", 1_004)]
                .map(|(source, ms)| Sighting { source, at: at(ms) })
                .into(),
        };
        let entry = Entry { stream: "aw:hotplug".into(), id: "1-0".into() };
        let spans = spans_of(&event(7, Action::Detach, 7), &moments, Some(&entry));
        assert_eq!(
            shape(&spans),
            [
                ("usb detach", 1_004, 1_020),
                ("observe", 1_004, 1_005),
                ("describe", 1_005, 1_006),
                ("announce", 1_006, 1_008),
                ("store", 1_008, 1_008),
                ("publish", 1_008, 1_020)
            ]
        );
        let root = spans[0].id;
        assert!(spans[1..].iter().all(|span| span.parent == Some(root) && span.trace == spans[0].trace));
        assert_eq!(spans[5].kind, Kind::Producer);
    }

    #[test]
    fn an_event_begins_when_it_says_however_long_the_machine_has_slept_since() {
        let mut told = (*event(7, Action::Attach, 7)).clone();
        told.journey = Journey::observed_at(Instant::now());
        assert_eq!(Moments::of(&told).observed, Some(at(told.timestamp_ms)));
    }

    #[test]
    fn an_event_that_was_read_back_is_published_and_no_more_is_known() {
        let spans = spans_of(
            &event(7, Action::Attach, 7),
            &Moments { published: Some(at(9_000)), ..Moments::default() },
            None,
        );
        assert_eq!(shape(&spans), [("usb attach", 1_007, 9_000), ("publish", 1_007, 9_000)]);
    }

    #[test]
    fn what_a_device_says_of_itself_is_bounded_and_its_serial_number_is_not_told() {
        let mut told = (*event(7, Action::Attach, 7)).clone();
        let mut attachment = (*told.attachment).clone();
        attachment.device.serial_number = Some("SECRET".into());
        attachment.device.product = Some("é".repeat(500));
        attachment.stable_id.id = "046d:0077:SECRET".into();
        told.attachment = attachment.into();
        let text = format!("{:?}", spans_of(&told, &Moments::default(), None));
        assert!(!text.contains("SECRET"), "{text}");
        assert_eq!(text.matches('é').count(), LONGEST_TEXT);
    }
}
