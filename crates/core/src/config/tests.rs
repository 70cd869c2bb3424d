//! What a configuration may say, and what is said of one that may not.

use super::*;
use crate::error::Code;

#[test]
fn an_empty_object_is_the_defaults() {
    let config = Config::from_json("{}").expect("valid");
    assert_eq!((config.monitoring.interval, config.shutdown_ms.0), (5000, 2000));
    let RedisSetting::On(redis) = config.redis else { panic!("publishing is the default") };
    assert_eq!((redis.host.as_str(), redis.port, redis.stream.as_str()), ("localhost", 6379, "aw:hotplug"));
    assert!(config.sources.netlink && config.sources.libusb && config.sources.snapshot);
}

#[test]
fn sources_are_a_list_or_switches() {
    let sources = |json| Config::from_json(json).expect("valid").sources;
    let none = sources(r#"{ "sources": [] }"#);
    assert!(!none.netlink && !none.libusb && !none.snapshot && !none.simulated);
    let small = sources(r#"{ "sources": { "netlink": { "receive_buffer": 4096 }, "libusb": false } }"#);
    assert_eq!((small.receive_buffer, small.libusb, small.snapshot), (Some(4096), false, true));
    assert!(small.kernel_log && sources(r#"{ "sources": ["netlink"] }"#).kernel_log);
    assert!(!sources(r#"{ "sources": { "netlink": false } }"#).netlink);
    let without = sources(r#"{ "sources": { "netlink": { "kernel_log": false } } }"#);
    assert!(without.netlink && !without.kernel_log);
    let written = |sources| serde_json::to_value(sources).expect("JSON")["netlink"].to_string();
    assert_eq!(written(without.clone()), r#"{"kernel_log":false}"#);
    assert_eq!(
        written(SourcesConfig { receive_buffer: Some(7), ..without }),
        r#"{"kernel_log":false,"receive_buffer":7}"#
    );
    assert_eq!(written(SourcesConfig::default()), "true");
    assert!(sources(r#"{ "sources": ["simulated"] }"#).simulated);
}

#[test]
fn bad_values_are_named() {
    for (json, expected) in [
        (r#"{ "redis": { "prot": 1 } }"#, "redis.prot is no key: did you mean \"port\"?"),
        (r#"{ "redis": true }"#, "redis is true or false: expected false or an object with"),
        (
            r#"{ "monitoring": { "interval": 0 } }"#,
            "monitoring.interval is 0: expected a whole number from 10 to 86400000",
        ),
        (
            r#"{ "monitoring": { "interval": "5" } }"#,
            "monitoring.interval is \"5\": expected a whole number from 10",
        ),
        (
            r#"{ "monitoring": { "host": "everywhere" } }"#,
            "monitoring.host is \"everywhere\": expected an IP address",
        ),
        (
            r#"{ "performance": { "batch_size": 1.5 } }"#,
            "performance.batch_size is 1.5: expected a whole number from 1 to 10000",
        ),
        (
            r#"{ "sources": ["netlnk"] }"#,
            "sources[0] is \"netlnk\": expected netlink, libusb, snapshot or simulated; did you mean \"netlink\"?",
        ),
        (
            r#"{ "sources": { "netlink": 5 } }"#,
            "sources.netlink is 5: expected true or false or an object with kernel_log or receive_buffer",
        ),
        (
            r#"{ "filters": { "vendor_whitelist": [1133, "46dg"] } }"#,
            "filters.vendor_whitelist[1] is \"46dg\": expected a whole number from 0 to 65535 or up to four hex digits",
        ),
        (
            r#"{ "filters": { "device_class_filter": [300] } }"#,
            "filters.device_class_filter[0] is 300: expected a whole number from 0 to 255",
        ),
        (
            r#"{ "filters": { "rules": [{ "match": {} }] } }"#,
            "filters.rules[0].action is missing: expected allow, deny or tag",
        ),
        (
            r#"{ "filters": { "rules": [{ "action": "deny", "match": { "vendor_id": -1 } }] } }"#,
            "filters.rules[0].match.vendor_id is -1: expected a whole number from 0 to 65535 or up to four hex digits",
        ),
        (r#"{ "filters": { "rules": [{ "action": "tag" }] } }"#, "filters.rules[0].tags is missing"),
        (
            r#"{ "outbox": { "when_full": "drop" } }"#,
            "outbox.when_full is \"drop\": expected drop-oldest or drop-newest",
        ),
        (r#"{ "outbox": { "required": true } }"#, "outbox.required is true"),
        (r#"{ "redis": { "tls": "yes" } }"#, "redis.tls is a text: expected true or false or an object"),
        (r#"{ "outbux": {} }"#, "outbux is no key: did you mean \"outbox\"?"),
        (
            r#"{ "shutdown_ms": 5000000000 }"#,
            "shutdown_ms is 5000000000: expected a whole number from 0 to 86400000",
        ),
        (
            r#"{ "filters": { "rules": [{ "action": "tag", "tags": ["a,b"] }] } }"#,
            "filters.rules[0].tags[0] is \"a,b\": expected a text without commas that is not empty",
        ),
        (
            r#"{ "filters": { "rules": [{ "action": "tag", "tags": [" "] }] } }"#,
            "filters.rules[0].tags[0] is \" \": expected a text without commas",
        ),
        (
            r#"{ "filters": { "rules": [{ "action": "deny", "match": { "serial": "[AB" } }] } }"#,
            "filters.rules[0].match.serial is \"[AB\": expected a pattern in which each [ is closed",
        ),
        (
            r#"{ "filters": { "rules": [{ "action": "deny", "match": { "port_path": "1:2" } }] } }"#,
            "filters.rules[0].match.port_path is \"1:2\": expected hub ports joined by dots, as in 4.2 or 1-4.2",
        ),
        (
            r#"{ "filters": { "vendor_whitelist": ["0x00046d"] } }"#,
            "filters.vendor_whitelist[0] is \"0x00046d\": expected a whole number from 0 to 65535 or up to four hex",
        ),
        ("[]", "the configuration is a list: expected an object"),
        ("{", "EOF"),
    ] {
        let error = Config::from_json(json).expect_err(json);
        assert_eq!(error.code, Code::Config);
        assert!(error.message.contains(expected), "{json}: {error}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let json = r#"{ "redis": { "port": "x" }, "monitoring": { "interval": -1, "hots": 1 }, "nonsense": 0 }"#;
    let error = Config::from_json(json).expect_err(json);
    for part in
        ["4 faults", "redis.port is \"x\"", "monitoring.interval is -1", "monitoring.hots", "nonsense"]
    {
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn each_whole_number_is_bounded_within_its_type() {
    fn look(schema: &serde_json::Value, path: &str, seen: &mut usize) {
        for (key, part) in schema.as_object().into_iter().flatten() {
            look(part, &format!("{path}/{key}"), seen);
        }
        for part in schema.as_array().into_iter().flatten() {
            look(part, path, seen);
        }
        let types = &schema["type"];
        if types != "integer" && !types.as_array().is_some_and(|types| types.contains(&"integer".into())) {
            return;
        }
        *seen += 1;
        let bounds = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
        let (Some(least), Some(most)) = bounds else { panic!("{path} is not bounded") };
        let (lowest, highest) = match schema["format"].as_str() {
            Some("uint8") => (0, u8::MAX.into()),
            Some("uint16") => (0, u16::MAX.into()),
            // A usize has 32 bits on some machines.
            Some("uint32" | "uint") => (0, u32::MAX.into()),
            Some("int64") => (i64::MIN, i64::MAX),
            Some("uint64") | None => (0, i64::MAX),
            Some(other) => panic!("{path}: {other}"),
        };
        assert!(lowest <= least && least < most && most <= highest, "{path}: {least} to {most}");
    }
    let mut seen = 0;
    look(&schema(), "", &mut seen);
    assert!(seen > 20, "{seen}");
}

#[test]
fn a_text_of_any_length_costs_little_and_is_cut_in_the_message() {
    let long = "x".repeat(5_000_000);
    let (mut parsing, mut reading) = (Duration::ZERO, Duration::ZERO);
    for json in [
        format!(r#"{{ "{long}": 1 }}"#),
        format!(r#"{{ "sources": ["{long}"] }}"#),
        format!(r#"{{ "monitoring": {{ "interval": "{long}" }} }}"#),
        format!(r#"{{ "redis": {{ "{long}": 1 }} }}"#),
    ] {
        let begun = std::time::Instant::now();
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
        parsing += begun.elapsed();
        let begun = std::time::Instant::now();
        let error = Config::from_json(&json).expect_err("a bad value");
        reading += begun.elapsed();
        assert!(error.message.len() < 500, "{} bytes", error.message.len());
    }
    // What looks at each pair of characters takes a million times as long.
    assert!(reading < 1000 * parsing, "{reading:?}, and {parsing:?} to parse");
}

#[test]
fn options_of_ioredis_are_warned_of_and_nothing_else_is() {
    let Reading { warnings, .. } =
        Config::read(r#"{ "redis": { "maxRetriesPerRequest": null, "lazyConnect": true } }"#).expect("valid");
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("redis.lazyConnect is an option of ioredis"), "{warnings:?}");
    assert!(Config::read(r#"{ "$schema": "usb-daemon.schema.json" }"#).expect("valid").warnings.is_empty());
}

#[test]
fn what_would_have_an_effect_that_it_cannot_have_is_refused_with_all_else() {
    let json =
        r#"{ "redis": { "tls": { "rejectUnauthorized": false, "servername": "h", "cA": "x" }, "prot": 1 } }"#;
    let error = Config::from_json(json).expect_err(json);
    for part in [
        "3 faults",
        "redis.tls.rejectUnauthorized is false",
        "redis.tls.ca",
        "redis.tls.cA is no key",
        "redis.prot",
    ] {
        assert!(error.message.contains(part), "{error}");
    }
    let Reading { warnings, config } =
        Config::read(r#"{ "redis": { "tls": { "servername": "h", "rejectUnauthorized": true } } }"#)
            .expect("valid");
    assert_eq!(warnings, ["redis.tls.servername is an option of Node's TLS that has no effect here"]);
    let RedisSetting::On(redis) = config.redis else { panic!("publishing is the default") };
    assert!(matches!(redis.tls, TlsSetting::Certificates(_)), "it is still encrypted");
}

#[test]
fn records_are_looked_at_where_it_is_said_and_udev_is_listened_to() {
    let spool =
        |json: &str| Config::from_json(json).expect("valid").spool().map(|path| path.display().to_string());
    assert_eq!(spool("{}"), None, "they are the service's");
    assert_eq!(spool(r#"{ "fallback": { "spool_path": "/x" } }"#).as_deref(), Some("/x"));
    assert_eq!(spool(r#"{ "fallback": { "spool_path": "/x", "enable_udev": false } }"#), None);
}

#[test]
fn the_defaults_are_a_configuration_that_changes_nothing() {
    let defaults = Config::defaults();
    let again = Config::from_json(&defaults.to_string()).expect("valid");
    assert_eq!(
        serde_json::to_value(&again).expect("JSON"),
        serde_json::to_value(Config::default()).expect("JSON")
    );
    assert_eq!(
        defaults["performance"],
        serde_json::json!({ "max_events_per_second": 100, "debounce_ms": 50, "batch_size": 10 })
    );
}

#[test]
fn each_key_has_a_description_for_editors() {
    fn look(schema: &serde_json::Value, path: &str) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            assert!(key == "$schema" || property["description"].is_string(), "{path} has no description");
            look(property, &path);
        }
    }
    look(&schema(), "");
}
