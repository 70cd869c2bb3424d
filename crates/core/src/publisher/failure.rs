//! Why Redis does not take events, in one line for a person.

use redis::{ErrorKind, RedisError};

/// What failed and what to do about it. Never contains the password: Redis does not repeat it, and neither do we.
pub(super) fn explain(error: &RedisError) -> String {
    let code = code(error);
    let advice = match code.as_deref() {
        Some("NOAUTH") => "it wants a password: set redis.password or REDIS_PASSWORD",
        Some("WRONGPASS") => "it refuses this user or password: check redis.username and redis.password",
        Some("NOPERM") => "this user may not do that: give it XADD on the stream",
        Some("LOADING") => "it is loading its data set",
        Some("READONLY") => "it is a read-only replica: point redis.host at the primary",
        Some("MISCONF") => "it cannot save to disk and refuses writes: see its log",
        Some("OOM") => "its memory is full: raise maxmemory or trim the stream",
        Some("WRONGTYPE") => "the stream's key holds something else: choose another redis.stream",
        Some("BUSY" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN") => "it is busy",
        _ => "",
    };
    match (code, advice) {
        (Some(code), "") => {
            format!("redis answers {code} {}", error.detail().unwrap_or_default()).trim().to_owned()
        }
        (Some(code), advice) => format!("redis answers {code}: {advice}"),
        (None, _) => transport(error),
    }
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
        return "no answer in time (redis.timeout_ms)".into();
    }
    if error.is_connection_refusal() {
        return "connection refused: is redis-server running there?".into();
    }
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            "what listens there does not speak Redis's protocol".into()
        }
        ErrorKind::AuthenticationFailed => {
            "authentication failed: check redis.username and redis.password".into()
        }
        _ => one_line(&error.to_string()),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
