//! One rule of the filters.

use wildmatch::WildMatch;

use crate::config::{MatchConfig, RuleAction, RuleConfig};
use crate::device::{Device, InterfaceClass};

#[derive(Debug)]
pub(super) struct Rule {
    condition: MatchConfig,
    globs: [Option<WildMatch>; 4],
    action: RuleAction,
    tags: Vec<String>,
}

/// What a rule has made of a device.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Allow,
    Deny,
    /// The next rule is asked.
    Open,
}

impl Rule {
    pub(super) fn new(config: &RuleConfig) -> Self {
        let MatchConfig { serial, manufacturer, product, port_path, .. } = &config.condition;
        let globs =
            [serial, manufacturer, product, port_path].map(|pattern| pattern.as_deref().map(WildMatch::new));
        Self { condition: config.condition.clone(), globs, action: config.action, tags: config.tags.clone() }
    }

    /// Decides; a device that it is about gets its tags.
    pub(super) fn decide(&self, device: &Device, tags: &mut Vec<String>) -> Decision {
        if !self.is_about(device) {
            return Decision::Open;
        }
        for tag in &self.tags {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        match self.action {
            RuleAction::Allow => Decision::Allow,
            RuleAction::Deny => Decision::Deny,
            RuleAction::Tag => Decision::Open,
        }
    }

    fn is_about(&self, device: &Device) -> bool {
        let MatchConfig { vendor_id, product_id, bus_number, speed, .. } = &self.condition;
        vendor_id.is_none_or(|id| id.0 == device.descriptor.id_vendor)
            && product_id.is_none_or(|id| id.0 == device.descriptor.id_product)
            && bus_number.is_none_or(|bus| bus == device.address.bus)
            && speed.is_none_or(|speed| has_speed(device, speed))
            && self.has_class(device)
            && self.has_texts(device)
    }

    /// Class, subclass and protocol of the device, or all of the same interface.
    fn has_class(&self, device: &Device) -> bool {
        let MatchConfig { class, subclass, protocol, .. } = self.condition;
        let descriptor = &device.descriptor;
        let own = InterfaceClass {
            class: descriptor.b_device_class,
            subclass: descriptor.b_device_sub_class,
            protocol: descriptor.b_device_protocol,
        };
        device.interfaces.iter().chain([&own]).any(|found| {
            class.is_none_or(|class| class == found.class)
                && subclass.is_none_or(|subclass| subclass == found.subclass)
                && protocol.is_none_or(|protocol| protocol == found.protocol)
        })
    }

    fn has_texts(&self, device: &Device) -> bool {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let [serial, manufacturer, product, port_path] = &self.globs;
        let matches = |glob: &Option<WildMatch>, text: &dyn Fn() -> String| {
            glob.as_ref().is_none_or(|glob| glob.matches(&text()))
        };
        matches(serial, &|| text(&device.serial_number))
            && matches(manufacturer, &|| text(&device.manufacturer))
            && matches(product, &|| text(&device.product))
            && matches(port_path, &|| device.port_path.to_string())
    }
}

fn has_speed(device: &Device, speed: f64) -> bool {
    let found = device.speed.as_deref().and_then(|text| text.parse::<f64>().ok());
    found.is_some_and(|found| (found - speed).abs() < 0.01)
}
