//! The key `drivers`: what is done for a device whose interface has no driver.

use std::path::PathBuf;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filters::MatchConfig;
use crate::device::Device;

/// What is done for a device whose interface has no driver. Linux only; without rules nothing is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DriversConfig {
    /// The first that matches a device decides, for the devices that are told of. An interface that has a driver is left alone.
    pub rules: Vec<DriverRuleConfig>,
    /// Whether rules only say what they would do.
    pub dry_run: bool,
    /// Unix socket behind which root carries out what its own list allows (`usb-daemon driver apply`); where absent the daemon does it
    /// itself, and needs the rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<PathBuf>,
}

impl DriversConfig {
    /// The rule that decides for this device, counted from 0. None does for a root hub: it is no device that anybody has plugged in, and
    /// all others hang on it.
    pub(crate) fn rule_for(&self, device: &Device) -> Option<usize> {
        let rule = self.rules.iter().position(|rule| rule.condition.is_about(device));
        rule.filter(|_| !device.port_path.ports().is_empty())
    }

    /// Whether this device is to get a driver by a rule.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux has drivers to bind"))]
    pub(crate) fn gives_driver_to(&self, device: &Device) -> bool {
        let rule = self.rule_for(device).and_then(|rule| self.rules.get(rule));
        !self.dry_run && rule.is_some_and(|rule| rule.authorized.is_none())
    }

    /// What no schema can say.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let path = format!("drivers.rules[{at}]");
            let DriverRuleConfig { condition, module, driver, new_id, authorized, .. } = rule;
            if *condition == MatchConfig::default() {
                faults.push(format!(
                    "{path}.match is empty: a rule for drivers names the devices that it is about"
                ));
            }
            if authorized.is_some() && (module.is_some() || driver.is_some()) {
                faults.push(format!(
                    "{path}.authorized stands beside a driver: a rule does the one or the other"
                ));
            }
            if new_id.is_some() && driver.is_none() {
                faults.push(format!("{path}.driver is missing: new_id says whether that driver gets the ID"));
            }
        }
        faults
    }
}

/// One rule. With neither `module`, `driver` nor `authorized`, the module is loaded that the interface's modalias asks for.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DriverRuleConfig {
    /// Which devices it is about, as in `filters.rules`; it cannot be empty.
    #[serde(rename = "match")]
    pub condition: MatchConfig,
    /// Kernel module to load: `ftdi_sio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "kernel_name"))]
    pub module: Option<String>,
    /// Driver that is to have it, as below `/sys/bus/usb/drivers` or `/sys/bus/usb-serial/drivers`: `ftdi_sio`, `generic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "kernel_name"))]
    pub driver: Option<String>,
    /// Whether that driver is told that the device's ID is one of its own, until it is unloaded; default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_id: Option<bool>,
    /// `false`: the kernel uses nothing of the device, `true`: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized: Option<bool>,
    /// How often it is tried for each device.
    #[serde(default = "three")]
    #[cfg_attr(test, schemars(range(min = 1, max = 10)))]
    pub attempts: u32,
}

fn three() -> u32 {
    3
}

/// Whether a module or driver of the kernel can be asked for by this name.
pub(crate) fn is_kernel_name(text: &str) -> bool {
    // MODULE_NAME_LEN is 56 with its NUL. A hyphen in front would be an option.
    (1..56).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
fn kernel_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": ["string", "null"], "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]{0,54}$", "format": "kernel-name",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::DriversConfig;
    use crate::config::Config;
    use crate::device::{Device, PortPath};
    use crate::event::Action;
    use crate::test_support::event;

    fn read(rule: &serde_json::Value) -> Result<Config, String> {
        let config = json!({ "drivers": { "rules": [rule] } });
        Config::from_json(&config.to_string()).map_err(|error| error.message)
    }

    #[test]
    fn the_first_rule_decides_and_none_does_for_a_root_hub() {
        let device = event(1, Action::Attach, 1).attachment.device.clone();
        let root_hub = Device { port_path: PortPath::new(1, Vec::new()), ..device.clone() };
        let of = |rules: serde_json::Value, dry_run: bool| -> DriversConfig {
            serde_json::from_value(json!({ "rules": rules, "dry_run": dry_run })).expect("rules")
        };
        let (other, driver) =
            (json!({ "match": { "vendor_id": "1209" } }), json!({ "match": { "vendor_id": "046d" } }));
        let denied = json!({ "match": { "vendor_id": "046d" }, "authorized": false });
        for (rules, dry_run, decides, gives) in [
            (json!([other, driver, denied]), false, Some(1), true),
            (json!([other, driver]), true, Some(1), false),
            (json!([denied, driver]), false, Some(0), false),
            (json!([other]), false, None, false),
        ] {
            let drivers = of(rules, dry_run);
            assert_eq!((drivers.rule_for(&device), drivers.gives_driver_to(&device)), (decides, gives));
            assert_eq!((drivers.rule_for(&root_hub), drivers.gives_driver_to(&root_hub)), (None, false));
        }
    }

    #[test]
    fn a_rule_names_its_devices_and_does_one_thing() {
        let of = json!({ "vendor_id": "1209" });
        for good in [
            json!({ "match": of }),
            json!({ "match": of, "module": "usbserial", "driver": "generic" }),
            json!({ "match": of, "driver": "ftdi_sio", "new_id": false, "attempts": 10 }),
            json!({ "match": of, "authorized": false }),
        ] {
            assert_eq!(read(&good).err(), None, "{good}");
        }
        for (bad, expected) in [
            (json!({ "module": "x" }), "drivers.rules[0].match is missing: expected an object"),
            (json!({ "match": {}, "authorized": false }), "drivers.rules[0].match is empty"),
            (json!({ "match": of, "authorized": false, "module": "x" }), "authorized stands beside a driver"),
            (json!({ "match": of, "new_id": true }), "drivers.rules[0].driver is missing"),
            (json!({ "match": of, "attempts": 0 }), "expected a whole number from 1 to 10"),
            (json!({ "match": of, "modul": "x" }), "did you mean \"module\"?"),
            (json!({ "match": of, "module": "-r" }), "expected a name of letters, digits, _ and -"),
            (json!({ "match": of, "module": "../x" }), "drivers.rules[0].module is \"../x\""),
            (json!({ "match": of, "driver": "a b" }), "drivers.rules[0].driver is \"a b\""),
            (json!({ "match": of, "driver": "x".repeat(56) }), "expected a name of letters"),
        ] {
            let message = read(&bad).expect_err("a fault");
            assert!(message.contains(expected), "{bad}: {message}");
        }
    }
}
