//! Redis: whether it answers, what it is, what we may do there, and who else publishes the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};
use rustix::time::{ClockId, clock_gettime};

use super::{Finding, PATIENCE, Tell, clocks, rights};
use crate::clock;
use crate::config::{Config, RedisConfig, RedisSetting};
use crate::daemon::boot_id;
use crate::publisher::fence::beside;
use crate::redis_connection::{address, client, connect};

const SUBJECT: &str = "redis";
/// A little less than what a finding is waited for, so that what failed is said rather than that nothing came.
const ANSWER: Duration = PATIENCE.saturating_sub(Duration::from_millis(300));
/// A daemon renews its sign of life every five seconds; so much older, it has been left behind.
const SIGN_LASTS_S: i64 = 16;

pub(super) fn server(config: &Config, tell: Tell<'_>) {
    let RedisSetting::On(redis) = &config.redis else {
        return tell(Finding::ok(SUBJECT, "nothing is published, by configuration"));
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(ask(redis, tell)),
        Err(error) => {
            let advice = "raise the limit of open files (ulimit -n)";
            tell(Finding::fail(SUBJECT, format!("no runtime to ask it: {error}"), advice));
        }
    }
}

async fn ask(redis: &RedisConfig, tell: Tell<'_>) {
    let address = address(redis);
    let client = match client(redis) {
        Ok(client) => client,
        Err(error) => return tell(Finding::fail(SUBJECT, error, "see `usb-daemon --help`")),
    };
    let asked = Instant::now();
    let pinged = async {
        let mut connection = connect(&client, ANSWER).await?;
        cmd("PING").query_async::<()>(&mut connection).await?;
        Ok::<_, RedisError>(connection)
    };
    let mut connection = match tokio::time::timeout(ANSWER, pinged).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tell(unreachable(&address, &error.to_string())),
        Err(_) => {
            return tell(unreachable(&address, &format!("no answer within {} s", ANSWER.as_secs_f32())));
        }
    };
    let took = asked.elapsed();
    let info: Option<String> = cmd("INFO").arg("server").query_async(&mut connection).await.ok();
    let version = info.as_deref().and_then(version);
    tell(answered(&address, version.as_deref(), took));
    stream(&mut connection, redis, tell).await;
    rights::granted(&mut connection, redis, version.as_deref(), tell).await;
    time(&mut connection, tell).await;
    producers(&mut connection, redis, tell).await;
}

fn unreachable(address: &str, why: &str) -> Finding {
    Finding::fail(
        SUBJECT,
        format!("{address} cannot be reached: {why}; events wait until it can"),
        "start it, correct redis.host and redis.port (REDIS_HOST, REDIS_PORT) or the password, or say --no-redis",
    )
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

async fn stream(connection: &mut MultiplexedConnection, redis: &RedisConfig, tell: Tell<'_>) {
    let subject = "stream";
    let stream = &redis.stream;
    // Without the right to ask there is nothing to say; what it takes is said by the rights.
    let Ok(kind) = cmd("TYPE").arg(stream).query_async::<String>(connection).await else { return };
    tell(match kind.as_str() {
        "stream" => match cmd("XLEN").arg(stream).query_async::<u64>(connection).await {
            Ok(length) => Finding::ok(subject, format!("{stream} has {length} entries")),
            Err(_) => Finding::ok(subject, format!("{stream} is there")),
        },
        "none" => Finding::ok(subject, format!("{stream} will be made with the first event")),
        other => Finding::fail(
            subject,
            format!("{stream} is a {other}: no entry can be added"),
            "delete that key, or choose another redis.stream",
        ),
    });
}

async fn time(connection: &mut MultiplexedConnection, tell: Tell<'_>) {
    let asked = Instant::now();
    let answer: Result<(u64, u64), _> = cmd("TIME").query_async(connection).await;
    let took = asked.elapsed();
    match answer {
        Ok((seconds, micros)) => tell(clocks::beside(clock::now_ms(), seconds * 1000 + micros / 1000, took)),
        Err(error) => tell(Finding::ok("redis clock", format!("not tested: {error}"))),
    }
}

async fn producers(connection: &mut MultiplexedConnection, redis: &RedisConfig, tell: Tell<'_>) {
    let subject = "producers";
    let boot_id = boot_id();
    if boot_id.is_empty() {
        return tell(Finding::ok(subject, "not tested: /proc does not tell this boot's ID"));
    }
    let key = beside(&redis.stream, &format!("live:{boot_id}"));
    let signs: Result<HashMap<String, String>, _> = cmd("HGETALL").arg(key).query_async(connection).await;
    match signs {
        Ok(signs) => tell(alive(signs, clock_gettime(ClockId::Boottime).tv_sec)),
        Err(error) => tell(Finding::ok(subject, format!("not tested: {error}"))),
    }
}

/// A sign is `<seconds since boot>.<nanoseconds> <who>`.
fn alive(signs: HashMap<String, String>, now_s: i64) -> Finding {
    let subject = "producers";
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
        [] => Finding::ok(subject, "no daemon of this machine publishes to the stream now"),
        [one] => Finding::ok(subject, format!("one daemon of this machine publishes to the stream: {one}")),
        several => Finding::warn(
            subject,
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
    fn a_server_without_streams_is_refused() {
        assert_eq!(version("# Server\r\nredis_version:7.0.15\r\n").as_deref(), Some("7.0.15"));
        let grade = |version| answered("h:1", version, Duration::ZERO).grade;
        assert_eq!(
            (grade(Some("4.0.14")), grade(Some("5.0.0")), grade(None)),
            (Grade::Fail, Grade::Ok, Grade::Ok)
        );
    }
}
