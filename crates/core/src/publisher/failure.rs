//! Why Redis does not take events, in one line for a person.

use redis::{ErrorKind, RedisError};

const WRONG_PASSWORD: &str = "it refuses this user or password: check redis.username and redis.password";
const WRONG_PLACE: &str = "check redis.host and redis.port (or redis.url, redis.path)";

/// What failed and what to do about it. Never contains the password: Redis does not repeat it, and neither do we.
pub(crate) fn explain(error: &RedisError) -> String {
    let reason = match code(error) {
        Some(code) => answer(&code, error),
        None => transport(error),
    };
    // What a server answers is not ours.
    reason.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn answer(code: &str, error: &RedisError) -> String {
    let advice = match code {
        "NOAUTH" => "it wants a password: set redis.password or REDIS_PASSWORD",
        "WRONGPASS" => WRONG_PASSWORD,
        "NOPERM" => "this user may not do that: it needs XADD on the stream, MULTI, EXEC, PING and SELECT",
        "LOADING" => "it is loading its data set: events wait until it is ready",
        "READONLY" => "it is a read-only replica: point redis.host at the primary (or redis.url)",
        "MASTERDOWN" => "it is a replica without its primary: point redis.host at the primary (or redis.url)",
        "MISCONF" => "it cannot save to disk and refuses writes: see its log",
        "OOM" => "its memory is full: raise maxmemory or trim the stream",
        "WRONGTYPE" => {
            let key = error.detail().filter(|key| !key.contains(' ')).unwrap_or("the stream's key");
            return format!(
                "redis answers WRONGTYPE: {key} holds something else: remove it, or choose another redis.stream"
            );
        }
        "BUSY" => "it is busy with a script: wait, or end it with SCRIPT KILL",
        "CLUSTERDOWN" | "TRYAGAIN" => "its cluster is not complete: see CLUSTER INFO",
        _ => {
            let detail = error.detail().unwrap_or_default();
            // What follows are the arguments of a command that the server does not know: a password may be among them.
            let detail = detail.split(", with args").next().unwrap_or_default();
            return format!("redis answers {code} {detail}: check its log and redis.db").trim().to_owned();
        }
    };
    format!("redis answers {code}: {advice}")
}

fn code(error: &RedisError) -> Option<String> {
    // Errors inside a transaction hide behind that of the transaction as a whole.
    if let Some(inner) = error.clone().into_server_errors()
        && let Some((_, first)) = inner.first()
    {
        return Some(first.code().to_owned());
    }
    error.code().filter(|code| *code != "EXECABORT").map(str::to_owned)
}

fn transport(error: &RedisError) -> String {
    if error.is_timeout() {
        return "no answer in time: is it Redis? Does it speak TLS, where that is asked for? redis.timeout_ms says how long to wait".into();
    }
    if error.is_connection_refusal() {
        return "connection refused: is redis-server running there?".into();
    }
    if error.is_connection_dropped() {
        return "it closed the connection: is it Redis, and with room for one more client?".into();
    }
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            format!("what listens there does not speak Redis's protocol: {WRONG_PLACE}")
        }
        // The client library keeps what Redis answered to itself.
        ErrorKind::AuthenticationFailed => format!("redis refuses to log in: {WRONG_PASSWORD}"),
        _ => format!("{error}: {WRONG_PLACE}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_on_where_to_look_holds_whichever_key_says_where() {
        let unreachable = std::io::Error::from(std::io::ErrorKind::HostUnreachable);
        let strange = RedisError::from((ErrorKind::Parse, "no reply"));
        for error in [unreachable.into(), strange] {
            assert!(explain(&error).ends_with("check redis.host and redis.port (or redis.url, redis.path)"));
        }
        assert!(answer("READONLY", &RedisError::from((ErrorKind::Parse, ""))).contains("redis.url"));
    }
}
