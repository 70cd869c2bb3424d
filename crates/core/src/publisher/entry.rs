//! One entry of the stream: the contract's fields, in its order.

use std::borrow::Cow;

use crate::event::Event;
use crate::telemetry::{Sampler, traceparent};

/// Field names and values of an event's entry; with its trace, where events are traced.
pub fn entry<'a>(
    event: &'a Event,
    host: &'a str,
    traces: Option<Sampler>,
) -> Vec<(&'static str, Cow<'a, str>)> {
    let attachment = &*event.attachment;
    let device = &attachment.device;
    let descriptor = &device.descriptor;
    let text = |string: &'a Option<String>| Cow::Borrowed(string.as_deref().unwrap_or_default());
    let event_id = event.event_id();
    let trace = traces.map(|sampler| traceparent(&event_id, sampler));
    let mut fields = vec![
        ("source", event.source().into()),
        ("action", event.action.as_str().into()),
        ("vendor_id", format!("{:x}", descriptor.id_vendor).into()),
        ("product_id", format!("{:x}", descriptor.id_product).into()),
        ("device_signature", attachment.signature.as_str().into()),
        ("manufacturer", text(&device.manufacturer)),
        ("product", text(&device.product)),
        ("serial_number", text(&device.serial_number)),
        ("bus_number", device.address.bus.to_string().into()),
        ("device_address", device.address.device.to_string().into()),
        ("port_path", device.port_path.to_string().into()),
        ("timestamp", event.timestamp_ms.to_string().into()),
        // Fourteen numbers: nothing in it can fail to be written.
        ("device_descriptor", serde_json::to_string(descriptor).unwrap_or_default().into()),
        ("event_id", event_id.into()),
        ("seq", event.seq.to_string().into()),
        ("host", host.into()),
        ("backend", event.backend.as_str().into()),
        ("stable_id", attachment.stable_id.id.as_str().into()),
    ];
    if let Some(speed) = &device.speed {
        fields.push(("speed", speed.as_str().into()));
    }
    if !device.interfaces.is_empty() {
        let interfaces: Vec<String> = device.interfaces.iter().map(ToString::to_string).collect();
        fields.push(("interfaces", interfaces.join(",").into()));
    }
    if device.partial {
        fields.push(("partial", "true".into()));
    }
    if let Some(synthetic) = event.synthetic {
        fields.push(("synthetic", synthetic.as_str().into()));
    }
    if !attachment.tags.is_empty() {
        fields.push(("tags", attachment.tags.join(",").into()));
    }
    if let Some(trace) = trace {
        fields.push(("traceparent", trace.into()));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;
    use crate::test_support::event;

    #[test]
    fn where_events_are_traced_the_trace_is_the_last_field() {
        let event = event(7, Action::Attach, 7);
        let [mut without, with] = [None, Some(Sampler::ALL)].map(|traces| entry(&event, "box", traces));
        without.push(("traceparent", traceparent("test:7", Sampler::ALL).into()));
        assert_eq!(with, without);
    }

    #[test]
    fn fields_are_the_contracts_in_its_order() {
        let event = event(7, Action::Attach, 7);
        let fields = entry(&event, "box", None);
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names.join(" "),
            "source action vendor_id product_id device_signature manufacturer product serial_number bus_number \
             device_address port_path timestamp device_descriptor event_id seq host backend stable_id speed"
        );
        let value = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| &**value);
        assert_eq!(value("vendor_id"), Some("46d"), "lowercase hex, no padding");
        assert_eq!(value("product_id"), Some("77"));
        assert_eq!(value("product"), Some(""), "a missing string is empty");
        assert_eq!(value("event_id"), Some("test:7"));
        assert_eq!(value("port_path"), Some("4.2"));
        assert_eq!(
            value("device_descriptor"),
            Some(
                "{\"bLength\":18,\"bDescriptorType\":1,\"bcdUSB\":0,\"bDeviceClass\":0,\"bDeviceSubClass\":0,\
                 \"bDeviceProtocol\":0,\"bMaxPacketSize0\":0,\"idVendor\":1133,\"idProduct\":119,\"bcdDevice\":0,\
                 \"iManufacturer\":0,\"iProduct\":0,\"iSerialNumber\":0,\"bNumConfigurations\":0}"
            )
        );
    }
}
