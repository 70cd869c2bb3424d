//! What code for ioredis and Node's TLS says under `redis` and means nothing here: such code should go on working.

use serde_json::{Map, Value};

/// Options of ioredis.
const IOREDIS: [&str; 47] = [
    "Connector",
    "autoPipeliningIgnoredCommands",
    "autoResendUnfulfilledCommands",
    "autoResubscribe",
    "blockingTimeout",
    "blockingTimeoutGrace",
    "clientInfoTag",
    "commandQueue",
    "commandTimeout",
    "connectTimeout",
    "connectionName",
    "disableClientInfo",
    "disconnectTimeout",
    "enableAutoPipelining",
    "enableOfflineQueue",
    "enableReadyCheck",
    "enableTLSForSentinelMode",
    "failoverDetector",
    "family",
    "keepAlive",
    "keyPrefix",
    "lazyConnect",
    "maxLoadingRetryTime",
    "maxRetriesPerRequest",
    "monitor",
    "name",
    "natMap",
    "noDelay",
    "offlineQueue",
    "preferredSlaves",
    "readOnly",
    "reconnectOnError",
    "retryStrategy",
    "role",
    "scripts",
    "sentinelCommandTimeout",
    "sentinelMaxConnections",
    "sentinelPassword",
    "sentinelReconnectStrategy",
    "sentinelRetryStrategy",
    "sentinelTLS",
    "sentinelUsername",
    "sentinels",
    "showFriendlyErrorStack",
    "socketTimeout",
    "stringNumbers",
    "updateSentinels",
];

/// Options of Node's `tls.connect`.
const TLS: [&str; 36] = [
    "ALPNCallback",
    "ALPNProtocols",
    "SNICallback",
    "allowPartialTrustChain",
    "checkServerIdentity",
    "ciphers",
    "clientCertEngine",
    "crl",
    "dhparam",
    "ecdhCurve",
    "enableTrace",
    "honorCipherOrder",
    "host",
    "lookup",
    "maxVersion",
    "minDHSize",
    "minVersion",
    "passphrase",
    "path",
    "pfx",
    "port",
    "privateKeyEngine",
    "privateKeyIdentifier",
    "pskCallback",
    "requestCert",
    "secureContext",
    "secureOptions",
    "secureProtocol",
    "servername",
    "session",
    "sessionIdContext",
    "sessionTimeout",
    "sigalgs",
    "socket",
    "ticketKeys",
    "timeout",
];

/// What has been found under `redis` that is not ours.
#[derive(Default)]
pub(super) struct Foreign {
    /// What has no effect, one sentence each.
    pub(super) warnings: Vec<String>,
    /// What would have an effect that it cannot have here.
    pub(super) faults: Vec<String>,
}

/// Takes out of `redis` what is not ours, and makes texts of certificates that JavaScript has in buffers.
pub(super) fn take_foreign(redis: &mut Value) -> Foreign {
    let mut foreign = Foreign::default();
    let Value::Object(redis) = redis else { return foreign };
    foreign.take(redis, &IOREDIS, "redis", "ioredis");
    let Some(Value::Object(tls)) = redis.get_mut("tls") else { return foreign };
    foreign.take(tls, &TLS, "redis.tls", "Node's TLS");
    match tls.get("rejectUnauthorized") {
        Some(Value::Bool(false)) => foreign.faults.push(
            "redis.tls.rejectUnauthorized is false, but the server's certificate is always checked: leave it out, and name the \
             authority that signed the certificate in redis.tls.ca"
                .into(),
        ),
        // So it is.
        Some(Value::Bool(true) | Value::Null) | None => {}
        Some(_) => foreign.faults.push("redis.tls.rejectUnauthorized is not true: leave it out".into()),
    }
    tls.remove("rejectUnauthorized");
    for key in ["ca", "cert", "key"] {
        if let Some(value) = tls.get_mut(key)
            && let Some(text) = text_of(value)
        {
            *value = text.into();
        }
    }
    foreign
}

impl Foreign {
    fn take(&mut self, object: &mut Map<String, Value>, known: &[&str], path: &str, of: &str) {
        let found: Vec<String> = object.keys().filter(|key| known.contains(&key.as_str())).cloned().collect();
        for key in found {
            object.remove(&key);
            self.warnings.push(format!("{path}.{key} is an option of {of} that has no effect here"));
        }
    }
}

/// The text of a Buffer as JSON has it, `{"type":"Buffer","data":[45,…]}`, or of several certificates in a list.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Object(buffer) if buffer.get("type")? == "Buffer" => {
            let byte = |byte: &Value| u8::try_from(byte.as_u64()?).ok();
            String::from_utf8(buffer.get("data")?.as_array()?.iter().map(byte).collect::<Option<_>>()?).ok()
        }
        Value::Array(several) => {
            let text = |one: &Value| match one {
                Value::String(text) => Some(text.clone()),
                one => text_of(one),
            };
            // The names of files cannot be joined.
            let is_pem = |text: &String| text.contains("-----BEGIN") || several.len() == 1;
            let texts = several.iter().map(|one| text(one).filter(is_pem)).collect::<Option<Vec<_>>>()?;
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_certificate_may_be_a_text_a_buffer_or_several_in_a_list() {
        let buffer = |text: &str| json!({ "type": "Buffer", "data": text.as_bytes() });
        for (given, expected) in [
            (buffer("-----BEGIN"), Some("-----BEGIN")),
            (json!(["-----BEGIN 1", buffer("-----BEGIN 2")]), Some("-----BEGIN 1\n-----BEGIN 2")),
            (json!(["/etc/ca.pem"]), Some("/etc/ca.pem")),
            (json!(["/etc/a.pem", "/etc/b.pem"]), None),
            (json!([]), None),
            (json!({ "type": "Buffer", "data": [0xff, 0xfe] }), None),
            (json!({ "type": "Buffer", "data": [256] }), None),
            (json!({ "data": [45] }), None),
        ] {
            let mut redis = json!({ "tls": { "ca": given } });
            take_foreign(&mut redis);
            assert_eq!(redis["tls"]["ca"], expected.map_or(given, Into::into));
        }
    }
}
