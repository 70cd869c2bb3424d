//! Redis: whether it answers, what it is, what we may do there, and who else publishes the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisError, cmd};
use tokio::join;
use tokio::time::timeout_at;

use super::{Finding, PATIENCE, Tell, clocks, rights};
use crate::clock;
use crate::config::{Config, RedisConfig, RedisSetting};
use crate::platform::machine::{boot_id, since_boot};
use crate::publisher::explain;
use crate::publisher::fence::beside;
use crate::redis_connection::{address, client, connect, keys_in_force};

const SUBJECT: &str = "redis";
const PRODUCERS: &str = "producers";
/// A little less than what a question is waited for, so that what failed is said rather than that nothing came.
const ANSWER: Duration = PATIENCE.saturating_sub(Duration::from_millis(300));
/// A daemon renews its sign of life every five seconds; so much older, it has been left behind.
const SIGN_LASTS_S: i64 = 16;

pub(super) fn server(config: &Config, tell: Tell<'_>) {
    let RedisSetting::On(redis) = &config.redis else {
        return tell(Finding::ok(SUBJECT, "nothing is published, by configuration"));
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(ask(redis, tell));
            // A resolver that hangs is left to itself.
            runtime.shutdown_background();
        }
        Err(error) => {
            let advice = "raise the limit of open files (ulimit -n)";
            tell(Finding::fail(SUBJECT, format!("no runtime to ask it: {error}"), advice));
        }
    }
}

async fn ask(redis: &RedisConfig, tell: Tell<'_>) {
    let client = match client(redis) {
        Ok(client) => client,
        Err(error) => return tell(Finding::fail(SUBJECT, error, "see `usb-daemon --help`")),
    };
    let asked = Instant::now();
    let deadline = asked + ANSWER;
    let pinged = async {
        let mut connection = connect(&client, ANSWER).await?;
        cmd("PING").query_async::<()>(&mut connection).await?;
        Ok::<_, RedisError>(connection)
    };
    let connection = match timeout_at(deadline.into(), pinged).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tell(unreachable(redis, &explain(&error))),
        Err(_) => return tell(unreachable(redis, &format!("no answer within {} s", ANSWER.as_secs_f32()))),
    };
    let took = asked.elapsed();
    if timeout_at(deadline.into(), look(&connection, redis, took, tell)).await.is_err() {
        tell(slow(redis, took));
    }
}

/// Everything that one answer can tell is asked at once, so that a distant server costs one journey there and back.
async fn look(connection: &MultiplexedConnection, redis: &RedisConfig, took: Duration, tell: Tell<'_>) {
    let stream_key = redis.stream.as_str();
    let boot_id = boot_id();
    let signs_key = beside(stream_key, &format!("live:{boot_id}"));
    let (info, replication, kind, length, user, time, signs) = join!(
        answer::<String, _>(connection, ["INFO", "server"]),
        answer::<String, _>(connection, ["INFO", "replication"]),
        answer::<String, _>(connection, ["TYPE", stream_key]),
        answer::<u64, _>(connection, ["XLEN", stream_key]),
        answer::<String, _>(connection, ["ACL", "WHOAMI"]),
        async {
            let asked = Instant::now();
            (answer::<(u64, u64), _>(connection, ["TIME"]).await, clock::now_ms(), asked.elapsed())
        },
        answer::<HashMap<String, String>, _>(connection, ["HGETALL", &signs_key]),
    );
    let version = info.ok().as_deref().and_then(version);
    tell(answered(&address(redis), version.as_deref(), took));
    if let Some(finding) = replication.ok().and_then(|info| replica(&info, redis)) {
        tell(finding);
    }
    // Without the right to ask there is nothing to say; what it takes is said by the rights.
    if let Ok(kind) = kind {
        tell(stream(stream_key, &kind, length.ok()));
    }
    let (time, ours_ms, took) = time;
    tell(match time {
        Ok((seconds, micros)) => clocks::beside(ours_ms, seconds * 1000 + micros / 1000, took),
        Err(error) => Finding::ok("redis clock", format!("not tested: {error}")),
    });
    tell(match signs {
        _ if boot_id.is_empty() => Finding::ok(PRODUCERS, "not tested: /proc does not tell this boot's ID"),
        Ok(signs) => alive(signs, since_boot().as_secs().cast_signed()),
        Err(error) => Finding::ok(PRODUCERS, format!("not tested: {error}")),
    });
    rights::granted(connection, redis, version.as_deref(), user, tell).await;
}

async fn answer<T: FromRedisValue, const N: usize>(
    connection: &MultiplexedConnection,
    command: [&str; N],
) -> Result<T, RedisError> {
    let mut asked = Cmd::new();
    for word in command {
        asked.arg(word);
    }
    asked.query_async(&mut connection.clone()).await
}

fn unreachable(redis: &RedisConfig, why: &str) -> Finding {
    Finding::fail(
        SUBJECT,
        format!("{} cannot be used: {why}; events wait until it can", address(redis)),
        format!("start it, correct {} or the password, or say --no-redis", keys_in_force(redis)),
    )
}

fn slow(redis: &RedisConfig, took: Duration) -> Finding {
    Finding::warn(
        SUBJECT,
        format!(
            "{} answers in {:.1} ms, and has not answered all within {} s: what is not told here is not known",
            address(redis),
            took.as_secs_f32() * 1000.0,
            ANSWER.as_secs_f32()
        ),
        "it is far away or busy: see SLOWLOG GET there, and give redis.timeout_ms what it takes",
    )
}

/// A replica that is written to: by default it refuses, else what is written there is lost.
fn replica(info: &str, redis: &RedisConfig) -> Option<Finding> {
    let subject = "redis role";
    let value =
        |key: &str| info.lines().find_map(|line| line.trim_end().strip_prefix(key)?.strip_prefix(':'));
    if value("role") != Some("slave") {
        return None;
    }
    let primary = match (value("master_host"), value("master_port")) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => "another server".to_owned(),
    };
    let advice = format!("point {} at the primary", keys_in_force(redis));
    Some(if value("slave_read_only") == Some("0") {
        let found =
            format!("it is a replica of {primary}: what is published there is lost when both synchronise");
        Finding::warn(subject, found, advice)
    } else {
        Finding::fail(
            subject,
            format!("it is a read-only replica of {primary}: no event can be published"),
            advice,
        )
    })
}

fn answered(address: &str, version: Option<&str>, took: Duration) -> Finding {
    let took = took.as_secs_f32() * 1000.0;
    let Some(version) = version else {
        return Finding::ok(
            SUBJECT,
            format!("{address} answers in {took:.1} ms; this user may not see its version"),
        );
    };
    let found = format!("{address} is Redis {version} and answers in {took:.1} ms");
    if major(version).is_some_and(|major| major < 5) {
        return Finding::fail(SUBJECT, found, "take Redis 5 or later: earlier ones have no streams");
    }
    Finding::ok(SUBJECT, found)
}

fn version(info: &str) -> Option<String> {
    info.lines().find_map(|line| Some(line.strip_prefix("redis_version:")?.trim().to_owned()))
}

pub(super) fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

fn stream(stream: &str, kind: &str, length: Option<u64>) -> Finding {
    let subject = "stream";
    match (kind, length) {
        ("stream", Some(length)) => Finding::ok(subject, format!("{stream} has {length} entries")),
        ("stream", None) => Finding::ok(subject, format!("{stream} is there")),
        ("none", _) => Finding::ok(subject, format!("{stream} will be made with the first event")),
        (other, _) => Finding::fail(
            subject,
            format!("{stream} is a {other}: no entry can be added"),
            "delete that key, or choose another redis.stream",
        ),
    }
}

/// A sign is `<seconds since boot>.<nanoseconds> <who>`.
fn alive(signs: HashMap<String, String>, now_s: i64) -> Finding {
    let mut alive: Vec<String> = signs
        .into_iter()
        .filter_map(|(producer, sign)| {
            let (time, who) = sign.split_once(' ')?;
            let since: i64 = time.split('.').next()?.parse().ok()?;
            (now_s - since <= SIGN_LASTS_S).then(|| format!("{who}, producer {producer}"))
        })
        .collect();
    alive.sort();
    match alive.as_slice() {
        [] => Finding::ok(PRODUCERS, "no daemon of this machine publishes to the stream now"),
        [one] => Finding::ok(PRODUCERS, format!("one daemon of this machine publishes to the stream: {one}")),
        several => Finding::warn(
            PRODUCERS,
            format!(
                "{} daemons of this machine publish to the stream, so each event is there as often: {}",
                several.len(),
                several.join("; ")
            ),
            "stop all but one, or give them redis: false or another redis.stream",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Grade;

    fn signs(seconds: &[i64]) -> HashMap<String, String> {
        let sign = |second| (format!("p{second}"), format!("{second}.5 process 7 on h"));
        seconds.iter().map(sign).collect()
    }

    #[test]
    fn two_daemons_that_are_alive_are_one_too_many() {
        let (none, one, two) =
            (alive(signs(&[900, 1]), 1000), alive(signs(&[999, 900]), 1000), alive(signs(&[999, 990]), 1000));
        assert_eq!((none.grade, one.grade, two.grade), (Grade::Ok, Grade::Ok, Grade::Warn));
        assert!(none.found.starts_with("no daemon"), "{none:?}");
        assert!(one.found.ends_with("process 7 on h, producer p999"), "{one:?}");
        assert!(two.found.starts_with("2 daemons"), "{two:?}");
    }

    #[test]
    fn a_replica_is_told_with_the_key_that_leads_to_it() {
        let info = "# Replication\r\nrole:slave\r\nmaster_host:p\r\nmaster_port:7\r\nslave_read_only:1\r\n";
        let url = RedisConfig { url: Some("redis://r".into()), ..RedisConfig::default() };
        let found = replica(info, &url).expect("a replica");
        assert_eq!(found.grade, Grade::Fail);
        assert!(found.found.contains("read-only replica of p:7"), "{found:?}");
        assert_eq!(found.advice.as_deref(), Some("point redis.url (REDIS_URL) at the primary"));
        let writable = info.replace("only:1", "only:0");
        assert_eq!(replica(&writable, &url).map(|found| found.grade), Some(Grade::Warn));
        assert_eq!(replica("role:master\r\n", &url), None);
        let advice = unreachable(&url, "refused").advice.expect("advice");
        assert!(advice.contains("redis.url") && !advice.contains("redis.host"), "{advice}");
    }

    #[test]
    fn a_server_without_streams_is_refused() {
        assert_eq!(version("# Server\r\nredis_version:7.0.15\r\n").as_deref(), Some("7.0.15"));
        let grade = |version| answered("h:1", version, Duration::ZERO).grade;
        assert_eq!(
            (grade(Some("4.0.14")), grade(Some("5.0.0")), grade(None)),
            (Grade::Fail, Grade::Ok, Grade::Ok)
        );
    }
}
