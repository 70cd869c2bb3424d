use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;

/// A device whose interface has no driver.
fn tree(test: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("usb-daemon-attempt-{test}-{}", std::process::id()));
    let device = root.join("bus/usb/devices/1-1");
    fs::create_dir_all(device.join("1-1:1.0")).expect("a folder");
    for (file, text) in [("idVendor", "1209"), ("idProduct", "dead"), ("authorized", "1")] {
        fs::write(device.join(file), text).expect("written");
    }
    root
}

fn attempt(root: &PathBuf, rule: serde_json::Value, dry_run: bool) -> Outcome {
    let kernel = Kernel::at(root);
    let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
    let performer = Performer::Itself(kernel.clone());
    let before = kernel.facts("1-1").expect("there");
    let stop = AtomicBool::new(false);
    Attempt { kernel: &kernel, performer: &performer, dry_run, stop: &stop }.make(&rule, &before)
}

#[test]
fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let root = tree("dry");
    let rule = json!({ "match": { "vendor_id": "1209" }, "authorized": false });
    let dry = attempt(&root, rule.clone(), true);
    let file = root.join("bus/usb/devices/1-1/authorized");
    let kept = fs::read_to_string(&file).expect("there");
    let done = attempt(&root, rule, false);
    let changed = fs::read_to_string(&file).expect("there");
    fs::remove_dir_all(&root).expect("removed");
    let of = |state| Outcome::Done {
        state,
        interfaces: vec![],
        requests: vec!["authorize 1-1 0".into()],
        reason: None,
    };
    assert_eq!((dry, kept.as_str()), (of(DriverState::Planned), "1"));
    assert_eq!((done, changed.as_str()), (of(DriverState::Denied), "0"));
}

/// Gives an interface a driver, as the kernel shows it.
fn give_driver(root: &Path, interface: &str) {
    let folder = root.join("bus/usb/devices").join(interface);
    fs::create_dir_all(&folder).expect("a folder");
    symlink("../../drivers/x", folder.join("driver")).expect("a link");
}

#[test]
fn each_interface_that_gets_a_driver_is_told_of_and_what_has_failed_too() {
    let root = tree("bound");
    fs::create_dir_all(root.join("bus/usb/devices/1-1/1-1:1.1")).expect("a folder");
    let kernel = Kernel::at(&root);
    let before = kernel.facts("1-1").expect("there");
    let stop = AtomicBool::new(false);
    let performer = Performer::Itself(kernel.clone());
    let attempt = Attempt { kernel: &kernel, performer: &performer, dry_run: false, stop: &stop };
    let (long, uevents) = (Duration::from_secs(600), BindUevents::listen());
    let names = |bound: Vec<BoundInterface>| bound.into_iter().map(|each| each.name).collect::<Vec<_>>();
    give_driver(&root, "1-1:1.0");
    let first = names(attempt.bound(&before, &uevents, long, Duration::ZERO));
    // The second interface cannot be asked for: the kernel shows it nowhere.
    let rule = json!({ "match": { "vendor_id": "1209" }, "driver": "x", "new_id": false });
    let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
    let outcome = attempt.make(&rule, &before);
    let both = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(3 * LOOK);
            give_driver(&root, "1-1:1.1");
        });
        names(attempt.bound(&before, &uevents, long, long))
    });
    fs::remove_dir_all(&root).expect("removed");
    assert_eq!(first, ["1-1:1.0"]);
    assert_eq!(both, ["1-1:1.0", "1-1:1.1"]);
    let Outcome::Done { reason, interfaces, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(names(interfaces), first);
    assert_eq!(reason.as_deref(), Some("bind x 1-1:1.1: there is no interface 1-1:1.1"));
}

#[test]
fn what_a_stop_cuts_short_has_not_failed() {
    let root = tree("stop");
    let kernel = Kernel::at(&root);
    let before = kernel.facts("1-1").expect("there");
    let (socket, stop) = (root.join("socket"), AtomicBool::new(false));
    let listener = UnixListener::bind(&socket).expect("a socket");
    let performer = Performer::Helper(socket);
    let rule = json!({ "match": { "vendor_id": "1209" }, "authorized": false });
    let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
    let outcome = thread::scope(|scope| {
        let silent = scope.spawn(|| {
            let client = listener.accept().expect("a client");
            stop.store(true, Ordering::Relaxed);
            client
        });
        let outcome = Attempt { kernel: &kernel, performer: &performer, dry_run: false, stop: &stop }
            .make(&rule, &before);
        drop(silent.join().expect("no panic"));
        outcome
    });
    fs::remove_dir_all(&root).expect("removed");
    assert_eq!(outcome, Outcome::Nothing);
}

#[test]
fn what_a_step_needs_is_not_tried_without_it() {
    let root = tree("needs");
    let rule = json!({ "match": { "vendor_id": "1209" }, "driver": "generic" });
    let outcome = attempt(&root, rule, false);
    fs::remove_dir_all(&root).expect("removed");
    let Outcome::Failed { reason, is_final: false, requests } = outcome else { panic!("{outcome:?}") };
    assert_eq!(requests, ["new-id generic 1209 dead"]);
    assert!(reason.contains("no driver generic is loaded"), "{reason}");
}

/// What comes of an attempt by a helper that answers this, and what it was asked for.
fn helped(
    root: &Path,
    rule: serde_json::Value,
    mut answer: impl FnMut(&str) -> &'static str + Send,
) -> (Outcome, Vec<String>) {
    let kernel = Kernel::at(root);
    let before = kernel.facts("1-1").expect("there");
    let rule: DriverRuleConfig = serde_json::from_value(rule).expect("a rule");
    let (socket, stop) = (root.join("socket"), AtomicBool::new(false));
    let listener = UnixListener::bind(&socket).expect("a socket");
    thread::scope(|scope| {
        let helper = scope.spawn(|| {
            let mut asked = Vec::new();
            loop {
                let (mut client, _) = listener.accept().expect("a client");
                let mut line = String::new();
                BufReader::new(&client).read_line(&mut line).expect("a line");
                // Nobody asks any more.
                let Some(request) = line.strip_suffix('\n') else { return asked };
                asked.push(request.to_owned());
                writeln!(client, "{}", answer(request)).expect("answered");
            }
        });
        let performer = Performer::Helper(socket.clone());
        let outcome = Attempt { kernel: &kernel, performer: &performer, dry_run: false, stop: &stop }
            .make(&rule, &before);
        drop(UnixStream::connect(&socket).expect("a helper"));
        (outcome, helper.join().expect("no panic"))
    })
}

#[test]
fn what_is_refused_is_final_and_hides_nothing_that_has_got_a_driver() {
    let rule = json!({ "match": { "vendor_id": "1209" } });
    for (gives, refused) in [(false, "modalias 1-1:1.0"), (true, "modalias 1-1:1.1")] {
        let root = tree(&format!("refused-{gives}"));
        fs::create_dir_all(root.join("bus/usb/devices/1-1/1-1:1.1")).expect("a folder");
        let (outcome, asked) = helped(&root, rule.clone(), |request| {
            if request == refused {
                return "refused: no";
            }
            give_driver(&root, "1-1:1.0");
            "ok"
        });
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!(asked.last().map(String::as_str), Some(refused));
        let said = format!("{refused}: no");
        match outcome {
            Outcome::Failed { reason, is_final: true, .. } if !gives => assert_eq!(reason, said),
            Outcome::Done { state: DriverState::Bound, interfaces, reason, .. } if gives => {
                assert_eq!((interfaces.len(), &*interfaces[0].name, reason), (1, "1-1:1.0", Some(said)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_is_done_to_a_device_that_has_taken_the_place_of_another_one_and_nothing_told_of_its_driver() {
    let of = json!({ "vendor_id": "1209" });
    for rule in [json!({ "match": of, "module": "x", "driver": "y" }), json!({ "match": of, "module": "x" })]
    {
        let (root, other) = (tree("replaced"), tree("replacing"));
        let (outcome, asked) = helped(&root, rule, |_| {
            let place = root.join("bus/usb/devices/1-1");
            fs::rename(&place, root.join("left")).expect("moved");
            fs::rename(other.join("bus/usb/devices/1-1"), &place).expect("moved");
            give_driver(&root, "1-1:1.0");
            "ok"
        });
        for folder in [root, other] {
            fs::remove_dir_all(folder).expect("removed");
        }
        assert_eq!((outcome, asked), (Outcome::Nothing, vec!["module x".to_owned()]));
    }
}
