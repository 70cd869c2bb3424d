//! The token that a client of the HTTP server has to show.

#[cfg(test)]
use std::borrow::Cow;
use std::fmt;

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use subtle::ConstantTimeEq as _;

/// A secret: it is never printed, and comparing takes as long wherever the difference lies.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token itself, to be sent and to be shown to nobody.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether this is the token.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

/// Whether a header can carry it.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What stands there instead must not be repeated either.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if is_token(&text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a token is a text of visible ASCII characters")),
        }
    }
}

#[cfg(test)]
impl JsonSchema for Token {
    fn schema_name() -> Cow<'static, str> {
        "Token".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[!-~]+$", "format": "token", "writeOnly": true })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn a_token_is_compared_and_never_printed() {
        let config = Config::from_json(r#"{ "monitoring": { "token": "hush" } }"#).expect("valid");
        let token = config.monitoring.token.as_ref().expect("a token");
        assert!(token.is(b"hush") && !token.is(b"hus") && !token.is(b"hushh") && !token.is(b""));
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn one_that_no_header_can_carry_is_refused_without_being_repeated() {
        for json in [r#""""#, r#""hu sh""#, r#""hush\n""#, r#"["hush"]"#, r#"{ "hush": 1 }"#] {
            let json = format!(r#"{{ "monitoring": {{ "token": {json} }} }}"#);
            let error = Config::from_json(&json).expect_err(&json);
            assert!(error.message.contains("monitoring.token is "), "{error}");
            assert!(!error.message.contains("hu"), "{error}");
        }
    }

    #[test]
    fn a_name_with_scheme_or_port_is_no_host_name() {
        for (name, is_good) in
            [("usb.lan", true), ("http://usb.lan", false), ("usb.lan:80", false), ("", false)]
        {
            let json = format!(r#"{{ "monitoring": {{ "allowed_hosts": ["{name}"] }} }}"#);
            assert_eq!(Config::from_json(&json).is_ok(), is_good, "{name}");
        }
    }
}
