//! What a rule has done for a device, in order. Pure: facts in, requests out.

use super::request::Request;
use crate::config::DriverRuleConfig;
use crate::sysfs::Interface;

/// What the kernel has of a device now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// In sysfs: `1-4.2`.
    pub(crate) name: String,
    pub(crate) vendor: u16,
    pub(crate) product: u16,
    /// Of its folder: what comes to have its name has another one.
    pub(crate) inode: u64,
    pub(crate) authorized: bool,
    /// In their order.
    pub(crate) interfaces: Vec<Interface>,
}

impl Facts {
    /// Its interfaces that no driver has.
    pub(crate) fn unbound(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().filter(|interface| interface.driver.is_none())
    }
}

/// Nothing where there is nothing left to do: it is as the rule wants it, or every interface has its driver.
pub(crate) fn plan(rule: &DriverRuleConfig, facts: &Facts) -> Vec<Request> {
    if let Some(authorized) = rule.authorized {
        let wanted = Request::Authorize { device: facts.name.clone(), authorized };
        return if facts.authorized == authorized { Vec::new() } else { vec![wanted] };
    }
    if facts.unbound().next().is_none() {
        return Vec::new();
    }
    let mut requests = Vec::new();
    match (&rule.module, &rule.driver) {
        (Some(module), _) => requests.push(Request::Module(module.clone())),
        (None, None) => {
            requests.extend(facts.unbound().map(|interface| Request::Modalias(interface.name.clone())));
        }
        // It is there already, or its absence is what is told.
        (None, Some(_)) => {}
    }
    if let Some(driver) = &rule.driver {
        if rule.new_id.unwrap_or(true) {
            let (vendor, product) = (facts.vendor, facts.product);
            requests.push(Request::NewId { driver: driver.clone(), vendor, product });
        }
        requests.extend(
            facts
                .unbound()
                .map(|interface| Request::Bind { driver: driver.clone(), interface: interface.name.clone() }),
        );
    }
    requests
}

/// What a rule asks for whichever of its devices comes.
pub(crate) fn of_any_device(rule: &DriverRuleConfig) -> Vec<Request> {
    let DriverRuleConfig { condition, module, driver, new_id, .. } = rule;
    let mut requests: Vec<Request> = module.clone().map(Request::Module).into_iter().collect();
    let ids = condition.vendor_id.zip(condition.product_id);
    if let (Some(driver), Some((vendor, product)), true) = (driver, ids, new_id.unwrap_or(true)) {
        requests.push(Request::NewId { driver: driver.clone(), vendor: vendor.0, product: product.0 });
    }
    requests
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn planned(rule: serde_json::Value, drivers: &[Option<&str>], authorized: bool) -> Vec<String> {
        let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
        let interfaces = drivers.iter().enumerate().map(|(at, driver)| Interface {
            name: format!("1-4.2:1.{at}"),
            driver: driver.map(str::to_owned),
        });
        let facts = Facts {
            name: "1-4.2".into(),
            vendor: 0x1209,
            product: 0xdead,
            inode: 1,
            authorized,
            interfaces: interfaces.collect(),
        };
        plan(&rule, &facts).iter().map(Request::to_string).collect()
    }

    #[test]
    fn steps_come_in_the_order_in_which_each_needs_the_one_before() {
        let of = json!({ "vendor_id": "1209" });
        for (rule, expected) in [
            (json!({ "match": of }), &["modalias 1-4.2:1.1"][..]),
            (json!({ "match": of, "module": "usbserial" }), &["module usbserial"]),
            (
                json!({ "match": of, "module": "usbserial", "driver": "generic" }),
                &["module usbserial", "new-id generic 1209 dead", "bind generic 1-4.2:1.1"],
            ),
            (json!({ "match": of, "driver": "x", "new_id": false }), &["bind x 1-4.2:1.1"]),
            (json!({ "match": of, "authorized": false }), &["authorize 1-4.2 0"]),
            (json!({ "match": of, "authorized": true }), &[]),
        ] {
            assert_eq!(planned(rule.clone(), &[Some("usbhid"), None], true), expected, "{rule}");
        }
    }

    #[test]
    fn what_has_a_driver_is_left_alone() {
        let rule = json!({ "match": { "vendor_id": 1 }, "module": "x", "driver": "x" });
        assert!(planned(rule.clone(), &[Some("usbhid"), Some("x")], true).is_empty());
        assert!(planned(rule, &[], true).is_empty(), "nor is one without interfaces touched");
    }

    #[test]
    fn some_of_it_is_known_before_a_device_is_there() {
        let asked = |rule: serde_json::Value| -> Vec<String> {
            let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
            of_any_device(&rule).iter().map(Request::to_string).collect()
        };
        let (of, of_many) = (json!({ "vendor_id": "1209", "product_id": "dead" }), json!({ "vendor_id": 1 }));
        for (rule, expected) in [
            (json!({ "match": of, "module": "x", "driver": "y" }), &["module x", "new-id y 1209 dead"][..]),
            (json!({ "match": of, "driver": "y", "new_id": false }), &[]),
            (json!({ "match": of_many, "module": "x", "driver": "y" }), &["module x"]),
            (json!({ "match": of }), &[]),
            (json!({ "match": of, "authorized": false }), &[]),
        ] {
            assert_eq!(asked(rule.clone()), expected, "{rule}");
        }
    }
}
