//! Values that are secret, so that the rest of a configuration can be shown.

use serde_json::Value;

const MASK: &str = "***";
/// What a Redis URL may say behind its `?` that is no secret.
const OPEN: [&str; 3] = ["db", "user", "protocol"];

/// The value at this path of a configuration, without what is secret in it.
pub(crate) fn masked(path: &str, value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    match path {
        "redis.url" => url(text).into(),
        "redis.password" | "redis.tls.key" | "monitoring.token" => MASK.into(),
        // The name of a file may be seen; a certificate of its own is of no use to a reader.
        "redis.tls.ca" | "redis.tls.cert" if text.contains("-----BEGIN") => MASK.into(),
        _ => value.clone(),
    }
}

fn url(url: &str) -> String {
    // Whatever cannot be taken apart for certain is not shown at all.
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, path) = rest.split_at(rest.find(['/', '#']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{host}"),
            None => format!("{user}@{host}"),
        },
        None => authority.to_owned(),
    };
    let query = query.map_or_else(String::new, |query| {
        let parts = query.split('&').map(|part| match part.split_once('=') {
            Some((key, _)) if OPEN.contains(&key) => part.to_owned(),
            Some((key, _)) => format!("{key}={MASK}"),
            None => MASK.to_owned(),
        });
        format!("?{}", parts.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{authority}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (given, shown) in [
            ("redis://h:1/2", "redis://h:1/2"),
            ("redis://u:hush@h:1/2", "redis://u:***@h:1/2"),
            ("rediss://:hush:hu@sh@h", "rediss://:***@h"),
            ("redis://u@h/?protocol=resp3", "redis://u@h/?protocol=resp3"),
            (
                "redis+unix:///run/r.sock?db=1&pass=hush&user=u",
                "redis+unix:///run/r.sock?db=1&pass=***&user=u",
            ),
            ("unix:///r.sock?p%61ss=hush&hush", "unix:///r.sock?p%61ss=***&***"),
            ("redis:u:hush@h", "***"),
        ] {
            assert_eq!(masked("redis.url", &given.into()), shown);
        }
    }

    #[test]
    fn certificates_are_masked_and_names_of_files_are_not() {
        assert_eq!(masked("redis.tls.key", &"key.pem".into()), MASK);
        assert_eq!(masked("redis.tls.ca", &"/etc/ca.pem".into()), "/etc/ca.pem");
        assert_eq!(masked("redis.tls.ca", &"-----BEGIN CERTIFICATE-----".into()), MASK);
        assert_eq!(masked("redis.password", &Value::Null), Value::Null);
        assert_eq!(masked("monitoring.token", &"hush".into()), MASK);
    }
}
