//! Connections to Redis: TCP, TLS or a unix socket, as the configuration says. The publisher and consumers share it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates,
};

use crate::config::{Certificates, RedisConfig, TlsSetting};
use crate::redis_url::{UrlPart, url_says};

pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pauses between attempts to connect, without an end.
pub(crate) fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

/// A client for what `redis` says. Nothing is opened yet.
///
/// # Errors
/// A sentence without any secret, where a URL or a certificate is unusable.
pub fn client(redis: &RedisConfig) -> Result<Client, String> {
    let info = info(redis)?;
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    match certificates(&redis.tls)? {
        Some(certificates) if is_tls => Client::build_with_tls(info, certificates)
            .map_err(|error| format!("redis.tls: {error}: give PEM texts or files that hold them")),
        _ => Client::open(info).map_err(|error| format!("redis: {error}")),
    }
}

/// Connects; both connecting and any single answer may take `patience`.
///
/// # Errors
/// What the client library says.
pub async fn connect(client: &Client, patience: Duration) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Where `redis` points to, without password: `host:port` or the path of a socket.
pub fn address(redis: &RedisConfig) -> String {
    match info(redis).as_ref().map(ConnectionInfo::addr) {
        Ok(ConnectionAddr::Unix(path)) => path.display().to_string(),
        Ok(ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) => {
            format!("{host}:{port}")
        }
        _ => format!("{}:{}", redis.host, redis.port),
    }
}

/// The keys that say where `redis` points to.
pub(crate) fn keys_in_force(redis: &RedisConfig) -> &'static str {
    match (&redis.url, &redis.path) {
        (Some(_), _) => "redis.url (REDIS_URL)",
        (None, Some(_)) => "redis.path",
        (None, None) => "redis.host and redis.port (REDIS_HOST, REDIS_PORT)",
    }
}

fn info(redis: &RedisConfig) -> Result<ConnectionInfo, String> {
    let tls = !matches!(redis.tls, TlsSetting::Absent | TlsSetting::Switch(false));
    let (address, given) = match &redis.url {
        Some(url) => {
            let from_url: ConnectionInfo = url.as_str().into_connection_info().map_err(|error| {
                // Not the URL itself: it may hold a password.
                format!("redis.url: {error}: expected redis://, rediss:// or redis+unix://")
            })?;
            (from_url.addr().clone(), from_url.redis_settings().clone())
        }
        None => match &redis.path {
            Some(path) => (ConnectionAddr::Unix(path.clone()), RedisConnectionInfo::default()),
            None => (ConnectionAddr::Tcp(redis.host.clone(), redis.port), RedisConnectionInfo::default()),
        },
    };
    let address = match address {
        ConnectionAddr::Tcp(host, port) if tls => {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        }
        unix @ ConnectionAddr::Unix(_) if !unix.is_supported() => {
            let key = if redis.url.is_some() { "redis.url" } else { "redis.path" };
            return Err(format!(
                "{key}: there are no unix sockets on Windows: give redis.host and redis.port"
            ));
        }
        ConnectionAddr::Unix(_) if tls => {
            let key = if redis.url.is_some() { "redis.url" } else { "redis.path" };
            return Err(format!("redis.tls: a unix socket ({key}) is not encrypted: leave one of them out"));
        }
        address => address,
    };
    let mut settings = given.clone();
    // By what stands there: a URL that names database 0 means it.
    if !redis.url.as_deref().is_some_and(|url| url_says(url, UrlPart::Db)) {
        settings = settings.set_db(redis.db);
    }
    if let (None, Some(username)) = (given.username(), &redis.username) {
        settings = settings.set_username(username);
    }
    if let (None, Some(password)) = (given.password(), &redis.password) {
        settings = settings.set_password(password);
    }
    let info = address.into_connection_info().map_err(|error| format!("redis: {error}"))?;
    Ok(info.set_redis_settings(settings))
}

fn certificates(tls: &TlsSetting) -> Result<Option<TlsCertificates>, String> {
    let TlsSetting::Certificates(Certificates { ca, cert, key }) = tls else { return Ok(None) };
    let client_tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(ClientTlsConfig {
            client_cert: pem("redis.tls.cert", cert)?,
            client_key: pem("redis.tls.key", key)?,
        }),
        (None, None) => None,
        _ => return Err("redis.tls: cert and key go together".into()),
    };
    let root_cert = ca.as_deref().map(|ca| pem("redis.tls.ca", ca)).transpose()?;
    Ok(Some(TlsCertificates { client_tls, root_cert }))
}

fn pem(key: &str, given: &str) -> Result<Vec<u8>, String> {
    if given.contains("-----BEGIN") {
        return Ok(given.as_bytes().to_vec());
    }
    std::fs::read(given)
        .map_err(|error| format!("{key}: {error}: give a PEM text or the name of a file that holds one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> RedisConfig {
        serde_json::from_str(json).expect("valid")
    }

    #[test]
    fn the_url_goes_before_host_and_path_and_the_path_before_the_host() {
        assert_eq!(address(&config("{}")), "localhost:6379");
        assert_eq!(address(&config(r#"{ "path": "/run/redis.sock", "host": "h" }"#)), "/run/redis.sock");
        assert_eq!(address(&config(r#"{ "url": "rediss://u:p@far:7000/3", "path": "/x" }"#)), "far:7000");
    }

    #[test]
    fn what_the_url_does_not_say_the_keys_say() {
        let from = |json: &str| info(&config(json)).expect("usable").redis_settings().clone();
        let both = from(r#"{ "url": "redis://far", "username": "u", "password": "p", "db": 2 }"#);
        assert_eq!((both.username(), both.password(), both.db()), (Some("u"), Some("p"), 2));
        let url = from(r#"{ "url": "redis://a:b@far/3", "username": "u", "password": "p", "db": 2 }"#);
        assert_eq!((url.username(), url.password(), url.db()), (Some("a"), Some("b"), 3));
        for (url, db) in [("redis://far/0", 0), ("redis://far/", 2), ("redis+unix:///r.sock?db=0", 0)] {
            assert_eq!(from(&format!(r#"{{ "url": "{url}", "db": 2 }}"#)).db(), db, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_secrets() {
        for (json, expected) in [
            (r#"{ "url": "http://u:hush@far" }"#, "redis.url"),
            (r#"{ "tls": { "ca": "/nowhere/ca.pem" } }"#, "redis.tls.ca: No such file"),
            (r#"{ "tls": { "cert": "/nowhere" } }"#, "cert and key go together"),
            (r#"{ "tls": true, "path": "/run/redis.sock" }"#, "leave one of them out"),
            (r#"{ "tls": {}, "url": "redis+unix:///run/redis.sock" }"#, "(redis.url) is not encrypted"),
        ] {
            let error = client(&config(json)).map(drop).expect_err(json);
            assert!(error.contains(expected) && !error.contains("hush"), "{json}: {error}");
        }
    }
}
