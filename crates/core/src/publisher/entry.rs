//! Entries of the stream: the contract's fields, in its order.

use std::fmt::{Display, Write as _};

use crate::device::DeviceDescriptor;
use crate::event::Event;
use crate::telemetry::{Sampler, traceparent};

/// Takes events apart into the names and values of their entries' fields.
pub struct Entries<'a> {
    host: &'a str,
    traces: Option<Sampler>,
    /// One room for all that has to be written first.
    text: String,
    /// The last descriptor, as its field has it: most events are of few models, and writing it takes as long as all else.
    descriptor: (DeviceDescriptor, String),
}

impl<'a> Entries<'a> {
    /// Entries of this host; with a trace each, where events are traced.
    pub fn new(host: &'a str, traces: Option<Sampler>) -> Self {
        Self { host, traces, text: String::new(), descriptor: Default::default() }
    }

    /// Gives `take` the names and values of an event's fields, in order.
    pub fn give(&mut self, event: &Event, mut take: impl FnMut(&'static str, &str)) {
        let attachment = &*event.attachment;
        let mut digits = itoa::Buffer::new();
        let device = &attachment.device;
        let descriptor = &device.descriptor;
        take("source", event.source());
        take("action", event.action.as_str());
        take("vendor_id", self.write(format_args!("{:x}", descriptor.id_vendor)));
        take("product_id", self.write(format_args!("{:x}", descriptor.id_product)));
        take("device_signature", &attachment.signature);
        take("manufacturer", device.manufacturer.as_deref().unwrap_or_default());
        take("product", device.product.as_deref().unwrap_or_default());
        take("serial_number", device.serial_number.as_deref().unwrap_or_default());
        take("bus_number", digits.format(device.address.bus));
        take("device_address", digits.format(device.address.device));
        take("port_path", self.write(&device.port_path));
        take("timestamp", digits.format(event.timestamp_ms));
        take("device_descriptor", self.json(descriptor));
        take("event_id", self.write(event.id()));
        take("seq", digits.format(event.seq));
        take("host", self.host);
        take("backend", event.backend.as_str());
        take("stable_id", &attachment.stable_id.id);
        if let Some(speed) = &device.speed {
            take("speed", speed);
        }
        if !device.interfaces.is_empty() {
            let interfaces: Vec<String> = device.interfaces.iter().map(ToString::to_string).collect();
            take("interfaces", &interfaces.join(","));
        }
        if device.partial {
            take("partial", "true");
        }
        if let Some(synthetic) = event.synthetic {
            take("synthetic", synthetic.as_str());
        }
        if !attachment.tags.is_empty() {
            take("tags", &attachment.tags.join(","));
        }
        if let Some(sampler) = self.traces {
            take("traceparent", &traceparent(&event.event_id(), sampler));
        }
    }

    fn write(&mut self, value: impl Display) -> &str {
        self.text.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
        &self.text
    }

    fn json(&mut self, descriptor: &DeviceDescriptor) -> &str {
        let (last, text) = &mut self.descriptor;
        if last != descriptor || text.is_empty() {
            last.clone_from(descriptor);
            // Fourteen numbers: nothing in it can fail to be written.
            *text = serde_json::to_string(descriptor).unwrap_or_default();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;
    use crate::test_support::event;

    fn fields_of(event: &Event, traces: Option<Sampler>) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        Entries::new("box", traces).give(event, |name, value| fields.push((name, value.to_owned())));
        fields
    }

    #[test]
    fn where_events_are_traced_the_trace_is_the_last_field() {
        let event = event(7, Action::Attach, 7);
        let [mut without, with] = [None, Some(Sampler::ALL)].map(|traces| fields_of(&event, traces));
        without.push(("traceparent", traceparent("test:7", Sampler::ALL)));
        assert_eq!(with, without);
    }

    #[test]
    fn each_has_its_own_descriptor() {
        let first = event(1, Action::Attach, 1);
        let mut attachment = (*first.attachment).clone();
        attachment.device.descriptor = DeviceDescriptor::default();
        let second = Event { attachment: attachment.into(), ..(*first).clone() };
        let mut entries = Entries::new("box", None);
        for event in [&second, &first, &first, &second] {
            let mut fields = Vec::new();
            entries.give(event, |name, value| fields.push((name, value.to_owned())));
            assert_eq!(fields, fields_of(event, None));
            let descriptor = &fields.iter().find(|(name, _)| *name == "device_descriptor").expect("one").1;
            assert_eq!(
                *descriptor,
                serde_json::to_string(&event.attachment.device.descriptor).expect("JSON")
            );
        }
    }

    #[test]
    fn fields_are_the_contracts_in_its_order() {
        let event = event(7, Action::Attach, 7);
        let fields = fields_of(&event, None);
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names.join(" "),
            "source action vendor_id product_id device_signature manufacturer product serial_number bus_number \
             device_address port_path timestamp device_descriptor event_id seq host backend stable_id speed"
        );
        let value =
            |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
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
