//! What the user may do on the Redis server. Commands are only rehearsed, with ACL DRYRUN: none is carried out.

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};

use super::redis::major;
use super::{Finding, Grade, Tell};
use crate::config::RedisConfig;
use crate::publisher::fence::beside;

const SUBJECT: &str = "redis rights";

/// Commands that go together, and what it means to lack one.
struct Need {
    commands: Vec<Vec<String>>,
    grade: Grade,
    without: &'static str,
}

pub(super) async fn granted(
    connection: &MultiplexedConnection,
    redis: &RedisConfig,
    version: Option<&str>,
    user: Result<String, RedisError>,
    tell: Tell<'_>,
) {
    let user = match user {
        Ok(user) => user,
        Err(error) => return tell(not_tested(&error)),
    };
    if version.and_then(major).is_some_and(|major| major < 7) {
        let found = format!("user {user:?}; not tested: only Redis 7 and later can rehearse commands");
        return tell(Finding::ok(SUBJECT, found));
    }
    let needs = needs(redis);
    // All at once: they are in the connection before the first answer comes back.
    let rehearsed = needs.iter().flat_map(|need| &need.commands).map(async |command| {
        let mut rehearsal = cmd("ACL");
        rehearsal.arg("DRYRUN").arg(&user).arg(command);
        rehearsal.query_async::<String>(&mut connection.clone()).await
    });
    let mut answers = join_all(rehearsed).await.into_iter();
    let mut lacks = false;
    for need in needs {
        let mut refused = Vec::new();
        for (command, answer) in need.commands.iter().zip(&mut answers) {
            match answer {
                Ok(answer) if answer == "OK" => {}
                Ok(_) => refused.push(command[0].as_str()),
                Err(error) => return tell(not_tested(&error)),
            }
        }
        if !refused.is_empty() {
            lacks = true;
            tell(Finding {
                grade: need.grade,
                ..Finding::warn(
                    SUBJECT,
                    format!("user {user:?} may not {}: {}", refused.join(", "), need.without),
                    format!(
                        "ACL SETUSER {user} +{} ~{} ~{}",
                        refused.join(" +").to_lowercase(),
                        redis.stream,
                        beside(&redis.stream, "*")
                    ),
                )
            });
        }
    }
    if !lacks {
        tell(Finding::ok(SUBJECT, format!("user {user:?} may do all that is needed")));
    }
}

fn not_tested(error: &RedisError) -> Finding {
    let advice =
        "let this user run ACL WHOAMI and ACL DRYRUN, or compare its rights with those that README lists";
    Finding::warn(SUBJECT, format!("not tested: {error}"), advice)
}

fn needs(redis: &RedisConfig) -> Vec<Need> {
    let stream = redis.stream.as_str();
    let watermark = beside(stream, "rehearsal");
    let commands = |lines: &[&str]| -> Vec<Vec<String>> {
        let word = |word: &str| match word {
            "STREAM" => stream.to_owned(),
            "KEY" => watermark.clone(),
            other => other.to_owned(),
        };
        lines.iter().map(|line| line.split(' ').map(word).collect()).collect()
    };
    let mut needs = vec![
        Need {
            commands: commands(&["XADD STREAM * f v"]),
            grade: Grade::Fail,
            without: "no event can be published",
        },
        Need {
            commands: commands(&[
                "MULTI",
                "EXEC",
                "WATCH KEY",
                "UNWATCH",
                "GET KEY",
                "SET KEY v",
                "TYPE STREAM",
            ]),
            grade: Grade::Warn,
            without: "a lost reply may double events (ERR_USB_AT_LEAST_ONCE)",
        },
        Need {
            commands: commands(&["XREVRANGE STREAM + -"]),
            grade: Grade::Warn,
            without: "the ID of an entry whose reply was lost stays unknown",
        },
        Need {
            commands: commands(&["HSET KEY f v", "HGETALL KEY", "HDEL KEY f", "EXPIRE KEY 1"]),
            grade: Grade::Warn,
            without: "another daemon that publishes the same is not noticed",
        },
        Need {
            commands: commands(&["PING"]),
            grade: Grade::Warn,
            without: "an idle connection is not looked after",
        },
    ];
    if redis.maxlen.is_some() {
        needs.push(Need {
            commands: commands(&[
                "XLEN STREAM",
                "XRANGE STREAM - +",
                "XINFO GROUPS STREAM",
                "XPENDING STREAM g",
                "XDEL STREAM 1-1",
            ]),
            grade: Grade::Warn,
            without: "the stream is not kept at redis.maxlen",
        });
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trimming_takes_is_asked_for_only_where_the_stream_is_trimmed() {
        let words = |redis: &RedisConfig| {
            needs(redis).iter().flat_map(|need| need.commands.concat()).collect::<Vec<_>>()
        };
        let mut redis = RedisConfig::default();
        assert!(!words(&redis).contains(&"XDEL".to_owned()));
        assert!(words(&redis).contains(&"{aw:hotplug}:producer:rehearsal".to_owned()));
        redis.maxlen = Some(5);
        assert!(words(&redis).contains(&"XDEL".to_owned()));
    }
}
