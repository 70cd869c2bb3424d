//! Who goes before whom, and what is said of it.

use super::*;

fn variable(path: &str, value: Value) -> Setting {
    Setting { path: path.into(), value, origin: Origin::Environment("VARIABLE".into()) }
}

fn option(path: &str, value: Value) -> Setting {
    Setting { path: path.into(), value, origin: Origin::Option("--option".into()) }
}

fn layers(file: Value, settings: Vec<Setting>) -> Layers {
    let Value::Object(file) = file else { panic!("an object") };
    Layers::new(file, Some("FILE".into()), settings, Vec::new())
}

#[test]
fn whoever_names_the_server_in_a_higher_layer_means_that_one() {
    let url = |path: &str| json!(format!("redis://far{path}"));
    for (file, settings, expected) in [
        (json!({ "url": "redis://far" }), vec![option("redis.host", json!("b"))], json!({ "host": "b" })),
        (json!({ "url": "redis://far" }), vec![variable("redis.path", json!("/s"))], json!({ "path": "/s" })),
        (json!({ "path": "/s" }), vec![option("redis.port", json!(7))], json!({ "port": 7 })),
        (json!({ "host": "h" }), vec![option("redis.port", json!(7))], json!({ "host": "h", "port": 7 })),
        (json!({ "host": "h", "port": 7 }), vec![variable("redis.url", url(""))], json!({ "url": url("") })),
        (
            json!({}),
            vec![
                option("redis.host", json!("b")),
                variable("redis.url", url("")),
                variable("redis.db", json!(2)),
            ],
            json!({ "host": "b", "db": 2 }),
        ),
        // What a URL says beside the server is a key like any other.
        (json!({ "url": url("/3") }), vec![option("redis.db", json!(2))], json!({ "url": url(""), "db": 2 })),
        (json!({ "db": 2 }), vec![option("redis.url", url("/0"))], json!({ "url": url("/0"), "db": 2 })),
    ] {
        assert_eq!(layers(json!({ "redis": file }), settings).root["redis"], expected, "{file}");
    }
}

#[test]
fn what_is_off_is_turned_on_by_an_option_or_a_url_and_not_by_what_happens_to_be_set() {
    let far = json!("redis://far");
    let none = json!({});
    for (settings, expected) in [
        (vec![variable("redis.host", json!("h"))], json!(false)),
        (vec![variable("redis.host", json!("h")), option("redis.port", json!(7))], json!({ "port": 7 })),
        (vec![variable("redis.url", far.clone())], json!({ "url": far })),
        (vec![variable("redis", none.clone()), variable("redis.host", json!("h"))], json!({ "host": "h" })),
        (vec![option("redis.host", json!("h")), option("redis", json!(false))], json!(false)),
    ] {
        assert_eq!(layers(json!({ "redis": false }), settings).root["redis"], expected);
    }
    let again = layers(
        json!({ "redis": { "host": "h" } }),
        vec![variable("redis", json!(false)), option("redis.db", json!(2))],
    );
    assert_eq!(again.root["redis"], json!({ "host": "h", "db": 2 }), "with all that was said before");
    assert_eq!(again.origin("redis.host"), Origin::File("FILE".into()));
}

#[test]
fn what_somebody_has_said_in_vain_is_told() {
    let warnings = |file, settings| layers(file, settings).read().expect("good").warnings;
    assert_eq!(
        warnings(json!({ "redis": { "url": "redis://far" } }), vec![option("redis.host", json!("b"))]),
        ["redis.url (FILE) has no effect: --option goes before it"]
    );
    assert_eq!(
        warnings(json!({ "redis": false }), vec![variable("redis.host", json!("b"))]),
        ["redis.host (VARIABLE) has no effect: redis is false (FILE)"]
    );
}

#[test]
fn all_that_is_wrong_is_named_with_where_it_comes_from_and_what_an_option_hides_too() {
    let file = json!({ "redis": { "db": -1 }, "performance": { "batch_size": 0 }, "filters": { "vendor_blacklist": ["zz"] } });
    let settings = vec![
        variable("redis.port", json!("tcp://10.0.0.1:6379")),
        option("filters.vendor_blacklist", json!(["046d"])),
        option("shutdown_ms", json!("soon")),
    ];
    let error = layers(file, settings).read().expect_err("bad");
    assert!(error.message.starts_with("bad configuration, 5 faults: "), "{error}");
    for part in [
        "filters.vendor_blacklist[0] is \"zz\"",
        "redis.db is -1",
        "performance.batch_size is 0",
        "redis.port (VARIABLE) is \"tcp://10.0.0.1:6379\": expected a whole number",
        "shutdown_ms (--option) is \"soon\"",
    ] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
}

#[test]
fn keys_of_the_file_that_something_else_goes_before_are_known() {
    let file = json!({ "filters": { "vendor_blacklist": ["0409"] }, "shutdown_ms": 7, "redis": { "db": 1 } });
    let settings = vec![option("filters.vendor_blacklist", json!([])), option("shutdown_ms", json!(7))];
    let by = Origin::Option("--option".into());
    assert_eq!(layers(file, settings).hidden(), [("filters.vendor_blacklist".to_owned(), by)]);
}

#[test]
fn the_command_line_takes_the_records_of_the_helper_unless_somebody_says_otherwise() {
    let spool = |file: Value| layers(file, Vec::new()).root.get("fallback")?.get("spool_path").cloned();
    let default = cfg!(target_os = "linux").then(|| json!(SPOOL));
    assert_eq!(spool(json!({})), default);
    assert_eq!(spool(json!({ "fallback": { "enable_udev": true } })), default);
    assert_eq!(spool(json!({ "fallback": { "spool_path": null } })), Some(Value::Null));
    assert_eq!(spool(json!({ "fallback": { "spool_path": "/x" } })), Some(json!("/x")));
}
