use std::sync::atomic::AtomicUsize;

use super::*;

fn log(level: &str) -> Log {
    Log::new(Arc::new(LogLevel::new(level).expect("a level")), Box::new(|| ()))
}

fn messages(log: &Log) -> Vec<String> {
    log.take(usize::MAX).0.into_iter().map(|line| line.message).collect()
}

#[test]
fn a_line_has_its_fields_and_the_event_that_it_is_about() {
    let log = log("debug");
    log.set_listened(true);
    log.within(|| {
        tracing::debug!(event_id = "a1:7", waiting = 3_u64, durable = true, reason = "no\nroute", "stored");
    });
    let (lines, more) = log.take(8);
    assert!(!more);
    let mut line = serde_json::to_value(&lines).expect("JSON")[0].take();
    assert!(line["timestamp"].take().as_u64() > Some(1_700_000_000_000), "ms since 1970");
    let expected = serde_json::json!({
        "level": "debug", "target": module_path!(), "message": "stored", "timestamp": null, "eventId": "a1:7",
        "fields": { "waiting": 3, "durable": true, "reason": "no\nroute" },
    });
    assert_eq!(line, expected);
}

#[test]
fn nothing_is_built_where_nobody_listens() {
    let log = log("trace");
    let built = AtomicUsize::new(0);
    let say = || {
        log.within(|| tracing::error!(count = built.fetch_add(1, Ordering::Relaxed), "built"));
        built.load(Ordering::Relaxed)
    };
    assert_eq!(say(), 0, "nobody listens yet");
    log.set_listened(true);
    assert_eq!(say(), 1, "somebody listens");
    log.set_listened(false);
    assert_eq!(say(), 1, "who listened has left");
    assert_eq!(messages(&log), [""; 0], "and nothing waits for them");
    log.set_listened(true);
    assert_eq!(say(), 2, "somebody listens again");
    assert_eq!(messages(&log), ["built"]);
}

#[test]
fn the_level_may_change_and_other_crates_are_not_heard() {
    let level = Arc::new(LogLevel::new("info").expect("a level"));
    let logs = [Log::new(Arc::clone(&level), Box::new(|| ())), Log::new(Arc::clone(&level), Box::new(|| ()))];
    let say = || {
        for log in &logs {
            log.within(|| {
                tracing::trace!("trace");
                tracing::debug!("debug");
                tracing::info!("info");
                tracing::info!(target: "rustls", "somebody else's");
                tracing::error!("error");
            });
        }
        logs.iter().map(messages).collect::<Vec<_>>()
    };
    for log in &logs {
        log.set_listened(true);
    }
    let both = |expected: &[&str]| vec![expected.iter().map(ToString::to_string).collect::<Vec<_>>(); 2];
    assert_eq!(say(), both(&["info", "error"]));
    level.set("debug").expect("a level");
    assert_eq!(say(), both(&["debug", "info", "error"]));
    level.set("off").expect("a level");
    assert_eq!(say(), both(&[]));
    assert!(level.set("loud").is_err(), "no level");
    level.set("trace").expect("a level");
    assert_eq!(say(), both(&["trace", "debug", "info", "error"]));
}

#[test]
fn lines_that_find_no_room_are_counted_where_they_are_missing() {
    let woken = Arc::new(AtomicUsize::new(0));
    let wakes = Arc::clone(&woken);
    let wake = Box::new(move || {
        wakes.fetch_add(1, Ordering::Relaxed);
    });
    let log = Log::new(Arc::new(LogLevel::new("info").expect("a level")), wake);
    log.set_listened(true);
    let say = |count| log.within(|| (0..count).for_each(|at: u64| tracing::info!("{at}")));
    say(1030);
    assert_eq!(woken.load(Ordering::Relaxed), 1, "one wake-up for all that waits");
    let (taken, more) = log.take(1000);
    assert_eq!((taken.len(), more), (1000, true));
    say(1);
    let (taken, more) = log.take(1000);
    let said: Vec<(&str, Option<u64>)> = taken
        .iter()
        .skip(23)
        .map(|line| (line.message.as_str(), line.fields.get("lost").and_then(serde_json::Value::as_u64)))
        .collect();
    assert_eq!(
        (said, more),
        (vec![("1023", None), ("lines lost: whoever listens is too slow", Some(6)), ("0", None)], false)
    );
    say(1025);
    assert_eq!(woken.load(Ordering::Relaxed), 2, "only once all was taken");
    let (taken, more) = log.take(usize::MAX);
    assert_eq!((taken.len(), more), (1025, false), "1024, and that one is lost");
    assert_eq!(taken[1024].fields["lost"], 1);
}
