//! The key `redis`: where events are published, and how to get in.

use std::fmt;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::{Code, Error};

/// `false`, or where Redis is.
#[derive(Clone, Debug)]
pub enum RedisSetting {
    /// Nothing is published.
    Off,
    /// Events are published there.
    On(Box<RedisConfig>),
}

impl Default for RedisSetting {
    fn default() -> Self {
        Self::On(Box::default())
    }
}

impl<'de> Deserialize<'de> for RedisSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because an untagged enum would lose which key is wrong.
        let value = serde_json::Value::deserialize(deserializer)?;
        match value {
            serde_json::Value::Bool(false) => Ok(Self::Off),
            value => RedisConfig::from_value(value)
                .map(|redis| Self::On(Box::new(redis)))
                .map_err(D::Error::custom),
        }
    }
}

/// Where Redis is.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    #[serde(deserialize_with = "secret")]
    /// `redis://`, `rediss://` or `redis+unix://`; goes before host, port, path and, where it has them, the rest.
    pub url: Option<String>,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; goes before host and port.
    pub path: Option<PathBuf>,
    #[serde(deserialize_with = "secret")]
    /// ACL user.
    pub username: Option<String>,
    #[serde(deserialize_with = "secret")]
    /// Password; never printed.
    pub password: Option<String>,
    /// Database number.
    pub db: i64,
    /// Encryption; off where absent.
    pub tls: TlsSetting,
    /// Key of the stream.
    pub stream: String,
    /// Entries that the stream keeps; all of them where absent.
    pub maxlen: Option<u64>,
    /// Time in ms after which a connection attempt or an answer counts as failed.
    pub timeout_ms: u32,
    /// What follows when the server has forgotten what was published.
    pub on_reset: OnReset,
}

/// What follows when a server that has taken events no longer knows of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnReset {
    /// Go on with the first event that it has not acknowledged.
    #[default]
    Continue,
    /// Publish again what the outbox has kept.
    Replay,
}

/// `true`, `false` or certificates.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged, expecting = "redis.tls: expected true, false or { ca, cert, key }")]
pub enum TlsSetting {
    /// Off.
    #[default]
    Absent,
    /// With the system's authorities and no client certificate, or off.
    Switch(bool),
    /// With these.
    Certificates(Certificates),
}

/// Certificates: each a PEM text or the name of a file that holds one.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certificates {
    #[serde(deserialize_with = "secret")]
    /// Authority that signed the server's certificate; the system's where absent.
    pub ca: Option<String>,
    #[serde(deserialize_with = "secret")]
    /// Client certificate.
    pub cert: Option<String>,
    #[serde(deserialize_with = "secret")]
    /// Its key; never printed.
    pub key: Option<String>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Certificates")
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: "localhost".into(),
            port: 6379,
            path: None,
            username: None,
            password: None,
            db: 0,
            tls: TlsSetting::Absent,
            stream: "aw:hotplug".into(),
            maxlen: None,
            timeout_ms: 2000,
            on_reset: OnReset::Continue,
        }
    }
}

/// A text of which nothing may be repeated in an error, nor of what stands there instead.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text)),
        _ => Err(D::Error::custom("redis.url, username, password and certificates are texts")),
    }
}

impl RedisConfig {
    /// Reads it from its value. What stands in its place may be a URL with a password in it, and is not repeated.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub(crate) fn from_value(value: serde_json::Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err("redis: expected an object, as in { url: 'redis://…' }".into());
        }
        Self::deserialize(value).map_err(|error| format!("redis: {error}"))
    }

    /// Reads it from JSON.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming what is wrong.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let bad = |message: String| Error::new(Code::Config, format!("bad configuration: {message}"));
        let value = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        let config = Self::from_value(value).map_err(bad)?;
        config.check().map_err(bad)?;
        Ok(config)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        super::within("redis.timeout_ms", u64::from(self.timeout_ms), 1, 3_600_000)?;
        if self.host.is_empty() {
            return Err("redis.host is empty: give a host name or an address".into());
        }
        if self.stream.is_empty() {
            return Err("redis.stream is empty: give the stream's key".into());
        }
        if self.db < 0 {
            return Err(format!("redis.db is {}: expected a database number from 0", self.db));
        }
        if let Some(maxlen) = self.maxlen {
            super::within("redis.maxlen", maxlen, 1, u64::MAX)?;
        }
        // Opened only later, but a setting that cannot be used is the configuration's fault.
        crate::redis_connection::client(self).map(drop)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("path", &self.path)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("db", &self.db)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_never_printed() {
        let config: RedisConfig = serde_json::from_str(
            r#"{ "url": "redis://u:hush@h", "password": "hush", "tls": { "key": "hush" } }"#,
        )
        .expect("valid");
        assert!(!format!("{config:?} {:?}", config.tls).contains("hush"));
        for json in [r#""redis://u:hush@h""#, r#"{ "password": ["hush"] }"#, r#"{ "url": { "hush": 1 } }"#] {
            let error = RedisConfig::from_json(json).expect_err(json);
            assert!(error.message.contains("redis") && !error.message.contains("hush"), "{error}");
        }
    }
}
