//! One rule of the filters.

use crate::config::{Glob, MatchConfig, RuleAction, RuleConfig};
use crate::device::Device;

#[derive(Debug)]
pub(super) struct Rule {
    condition: MatchConfig,
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
        Self { condition: config.condition.clone(), action: config.action, tags: config.tags.clone() }
    }

    /// Decides; a device that it is about gets its tags.
    pub(super) fn decide(&self, device: &Device, tags: &mut Vec<String>) -> Decision {
        if !self.condition.is_about(device) {
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
}

impl MatchConfig {
    /// Whether a device is one of those that it is about.
    pub(crate) fn is_about(&self, device: &Device) -> bool {
        let Self { vendor_id, product_id, bus_number, speed, .. } = self;
        vendor_id.is_none_or(|id| id.0 == device.descriptor.id_vendor)
            && product_id.is_none_or(|id| id.0 == device.descriptor.id_product)
            && bus_number.is_none_or(|bus| bus == device.address.bus)
            && speed.is_none_or(|speed| has_speed(device, speed))
            && self.has_class(device)
            && self.has_capability(device)
            && self.has_texts(device)
    }

    /// Class, subclass and protocol of the device, or all of the same interface.
    fn has_class(&self, device: &Device) -> bool {
        let Self { class, subclass, protocol, .. } = *self;
        let own = device.descriptor.class();
        device.interfaces.iter().chain([&own]).any(|found| {
            class.is_none_or(|class| class == found.class)
                && subclass.is_none_or(|subclass| subclass == found.subclass)
                && protocol.is_none_or(|protocol| protocol == found.protocol)
        })
    }

    fn has_capability(&self, device: &Device) -> bool {
        let fits = |glob: &Glob| device.capabilities().iter().any(|word| glob.matches(word));
        self.capability.as_ref().is_none_or(fits)
    }

    fn has_texts(&self, device: &Device) -> bool {
        let Self { serial, manufacturer, product, port_path, .. } = self;
        let fits = |glob: &Option<Glob>, text: &Option<String>| {
            glob.as_ref().is_none_or(|glob| glob.matches(text.as_deref().unwrap_or_default()))
        };
        fits(serial, &device.serial_number)
            && fits(manufacturer, &device.manufacturer)
            && fits(product, &device.product)
            && port_path.as_ref().is_none_or(|glob| glob.matches(&device.port_path))
    }
}

fn has_speed(device: &Device, speed: f64) -> bool {
    let found = device.speed.as_deref().and_then(|text| text.parse::<f64>().ok());
    found.is_some_and(|found| (found - speed).abs() < 0.01)
}
