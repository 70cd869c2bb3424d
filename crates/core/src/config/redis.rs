//! The key `redis`: where events are published, and how to get in.

#[cfg(test)]
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
            value => RedisConfig::deserialize(value)
                .map(|redis| Self::On(Box::new(redis)))
                .map_err(D::Error::custom),
        }
    }
}

impl Serialize for RedisSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On(redis) => redis.serialize(serializer),
        }
    }
}

#[cfg(test)]
impl JsonSchema for RedisSetting {
    fn schema_name() -> Cow<'static, str> {
        "RedisSetting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let redis = generator.subschema_for::<RedisConfig>();
        // What stands there instead may be a URL with a password in it.
        json_schema!({ "anyOf": [{ "const": false }, redis], "writeOnly": true })
    }
}

/// Where Redis is.
#[derive(Clone, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
// What stands there instead may be a URL with a password in it.
#[cfg_attr(test, schemars(extend("writeOnly" = true)))]
pub struct RedisConfig {
    #[serde(deserialize_with = "secret")]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    /// `redis://`, `rediss://` or `redis+unix://`; goes before host, port, path and, where it has them, the rest.
    pub url: Option<String>,
    /// Host name or address.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; goes before host and port.
    pub path: Option<PathBuf>,
    #[serde(deserialize_with = "secret")]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    /// ACL user.
    pub username: Option<String>,
    #[serde(deserialize_with = "secret")]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    /// Password; never printed.
    pub password: Option<String>,
    /// Database number.
    #[cfg_attr(test, schemars(range(min = 0, max = 1_000_000)))]
    pub db: i64,
    /// Encryption; off where absent.
    pub tls: TlsSetting,
    /// Key of the stream.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub stream: String,
    /// Entries that the stream keeps; all of them where absent.
    #[cfg_attr(test, schemars(range(min = 1, max = 9_007_199_254_740_991_u64)))]
    pub maxlen: Option<u64>,
    /// Time in ms after which a connection attempt or an answer counts as failed.
    #[cfg_attr(test, schemars(range(min = 1, max = 3_600_000)))]
    pub timeout_ms: u32,
    /// What follows when the server has forgotten what was published.
    pub on_reset: OnReset,
}

/// What follows when a server that has taken events no longer knows of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnReset {
    /// Go on with the first event that it has not acknowledged.
    #[default]
    Continue,
    /// Publish again what the outbox has kept.
    Replay,
}

/// `true`, `false` or certificates.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
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
#[derive(Clone, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Certificates {
    #[serde(deserialize_with = "secret")]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    /// Authority that signed the server's certificate; the system's where absent.
    pub ca: Option<String>,
    #[serde(deserialize_with = "secret")]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    /// Client certificate.
    pub cert: Option<String>,
    #[serde(deserialize_with = "secret")]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    /// Its key; never printed.
    pub key: Option<String>,
}

#[cfg(test)]
impl JsonSchema for TlsSetting {
    fn schema_name() -> Cow<'static, str> {
        "TlsSetting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let certificates = generator.subschema_for::<Certificates>();
        json_schema!({ "anyOf": [{ "type": ["boolean", "null"] }, certificates], "writeOnly": true })
    }
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
    /// Reads it from JSON.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming all that is wrong.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let config: Self = super::read_as(json, "redis")?;
        match config.fault() {
            Some(fault) => Err(Error::new(Code::Config, format!("bad configuration: {fault}"))),
            None => Ok(config),
        }
    }

    /// Opened only later, but a setting that cannot be used is the configuration's fault.
    pub(crate) fn fault(&self) -> Option<String> {
        crate::redis_connection::client(self).err()
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
