//! Filters: which devices are told of, and what they are called. Decided once, at attach: a device that is held back is held
//! back when it leaves, too.

mod rule;
mod site;
pub(crate) mod usbguard;

use std::sync::Arc;

use crate::config::FiltersConfig;
use crate::device::Device;
use crate::error::Error;
use rule::{Decision, Rule};
use site::SitePolicy;

/// Filters as they are in force.
#[derive(Debug, Default)]
pub struct Filters {
    lists: FiltersConfig,
    rules: Vec<Rule>,
    site: Option<Arc<SitePolicy>>,
}

impl Filters {
    /// The filters that a configuration says.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` where it names a policy that cannot be read.
    pub fn new(config: &FiltersConfig) -> Result<Self, Error> {
        let site = config.usbguard_rules.as_deref().map(SitePolicy::read).transpose()?;
        Ok(Self::with(config, site.map(Arc::new)))
    }

    /// Other lists and rules beside the same policy, which is not read again.
    pub fn changed(&self, config: &FiltersConfig) -> Self {
        Self::with(config, self.site.clone())
    }

    fn with(config: &FiltersConfig, site: Option<Arc<SitePolicy>>) -> Self {
        Self { lists: config.clone(), rules: config.rules.iter().map(Rule::new).collect(), site }
    }

    /// The tags of a device that is told of. `hub` is what it hangs on, where that is known.
    ///
    /// # Errors
    /// Where it is held back: the path in the configuration of what does that.
    pub fn admit(&self, device: &Device, hub: Option<&Device>) -> Result<Vec<String>, String> {
        if let Some(list) = self.list_against(device) {
            return Err(format!("filters.{list}"));
        }
        if let Some(site) = &self.site {
            site.admit(device, hub)?;
        }
        let mut tags = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            match rule.decide(device, &mut tags) {
                Decision::Allow => break,
                Decision::Deny => return Err(format!("filters.rules[{at}]")),
                Decision::Open => {}
            }
        }
        Ok(tags)
    }

    /// The list that holds the device back.
    fn list_against(&self, device: &Device) -> Option<&'static str> {
        let FiltersConfig { vendor_whitelist, vendor_blacklist, device_class_filter, .. } = &self.lists;
        let is_of =
            |vendors: &[crate::config::Id]| vendors.iter().any(|id| id.0 == device.descriptor.id_vendor);
        // Most devices say class 0 at the top, and what they are at their interfaces.
        let is_of_class = || {
            let of_interfaces = device.interfaces.iter().map(|interface| interface.class);
            of_interfaces
                .chain([device.descriptor.b_device_class])
                .any(|class| device_class_filter.contains(&class))
        };
        if !vendor_whitelist.is_empty() && !is_of(vendor_whitelist) {
            Some("vendor_whitelist")
        } else if is_of(vendor_blacklist) {
            Some("vendor_blacklist")
        } else if !device_class_filter.is_empty() && !is_of_class() {
            Some("device_class_filter")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::device::InterfaceClass;
    use crate::test_support::device;

    fn keyboard() -> Device {
        Device {
            product: Some("Keyboard".into()),
            serial_number: Some("A1".into()),
            interfaces: vec![
                InterfaceClass { class: 3, subclass: 1, protocol: 1 },
                InterfaceClass { class: 3, subclass: 0, protocol: 0 },
            ],
            ..device()
        }
    }

    fn decide(filters: serde_json::Value) -> Result<Vec<String>, String> {
        let config: FiltersConfig = serde_json::from_value(filters).expect("filters");
        Filters::new(&config).expect("no file").admit(&keyboard(), None)
    }

    fn admit(filters: serde_json::Value) -> Option<Vec<String>> {
        decide(filters).ok()
    }

    #[test]
    fn who_holds_a_device_back_is_named() {
        for (filters, by) in [
            (json!({ "vendor_whitelist": [1] }), "filters.vendor_whitelist"),
            (json!({ "vendor_blacklist": [0x046d] }), "filters.vendor_blacklist"),
            (json!({ "device_class_filter": [8] }), "filters.device_class_filter"),
            (
                json!({ "rules": [{ "action": "tag", "tags": ["a"] }, { "action": "deny" }] }),
                "filters.rules[1]",
            ),
        ] {
            assert_eq!(decide(filters), Err(by.to_owned()));
        }
    }

    #[test]
    fn lists_hold_back_what_they_say_and_empty_ones_nothing() {
        for (filters, admitted) in [
            (json!({}), true),
            (json!({ "vendor_whitelist": [], "vendor_blacklist": [], "device_class_filter": [] }), true),
            (json!({ "vendor_whitelist": [0x046d] }), true),
            (json!({ "vendor_whitelist": ["0x04a9"] }), false),
            (json!({ "vendor_blacklist": ["046D"] }), false),
            (json!({ "device_class_filter": [3] }), true),
            (json!({ "device_class_filter": [8] }), false),
            (json!({ "device_class_filter": [0] }), true),
        ] {
            assert_eq!(admit(filters.clone()).is_some(), admitted, "{filters}");
        }
    }

    #[test]
    fn the_first_rule_that_decides_does_and_tags_go_on() {
        let rules = json!([
            { "match": { "class": 3 }, "action": "tag", "tags": ["input"] },
            { "match": { "serial": "B*" }, "action": "deny" },
            { "match": { "product": "Key*" }, "action": "allow", "tags": ["typing", "input"] },
            { "action": "deny" },
        ]);
        assert_eq!(admit(json!({ "rules": rules })), Some(vec!["input".into(), "typing".into()]));
        assert_eq!(admit(json!({ "rules": [{ "action": "deny" }, { "action": "allow" }] })), None);
        // The lists come first.
        assert_eq!(admit(json!({ "vendor_blacklist": [0x046d], "rules": [{ "action": "allow" }] })), None);
    }

    #[test]
    fn a_rule_matches_where_all_that_it_says_holds() {
        for (condition, matches) in [
            (json!({}), true),
            (json!({ "vendor_id": "046d", "product_id": 0x77 }), true),
            (json!({ "vendor_id": "046d", "product_id": 0x78 }), false),
            (json!({ "serial": "?1", "manufacturer": "Logi*" }), true),
            (json!({ "serial": "" }), false),
            (json!({ "product": "keyboard" }), false),
            (json!({ "class": 3, "protocol": 1 }), true),
            (json!({ "subclass": 1, "protocol": 0 }), false),
            (json!({ "capability": "hid:keyboard" }), true),
            (json!({ "capability": "hid:*" }), true),
            (json!({ "capability": "*:other", "class": 3 }), true),
            (json!({ "capability": "hid" }), false),
            (json!({ "capability": "storage:*" }), false),
            (json!({ "port_path": "4.*" }), true),
            (json!({ "port_path": "4" }), false),
            (json!({ "port_path": "1-4.2" }), true),
            (json!({ "port_path": "?-4.*" }), true),
            (json!({ "port_path": "2-4.2" }), false),
            (json!({ "port_path": "1*" }), false),
            (json!({ "serial": "[AB]?" }), true),
            (json!({ "serial": "[!AB]?" }), false),
            (json!({ "serial": "[[]AB]*" }), false),
            (json!({ "serial": "**1" }), true),
            (json!({ "bus_number": 1 }), true),
            (json!({ "bus_number": 2 }), false),
            (json!({ "speed": 1.5 }), true),
            (json!({ "speed": 480 }), false),
        ] {
            let found = admit(json!({ "rules": [{ "match": condition, "action": "deny" }] })).is_none();
            assert_eq!(found, matches, "{condition}");
        }
    }
}
