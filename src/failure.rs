//! Errors of the core as JavaScript errors: the stable code becomes `err.code`.

use usb_daemon_core::{Code, Error};

/// What a call into the addon returns.
pub(crate) type Result<T> = napi::Result<T, Code>;

pub(crate) fn failure(error: Error) -> napi::Error<Code> {
    napi::Error::new(error.code, error.message)
}

/// The answer to a question as JSON: `{ value }`, or `{ code, message }` where there is none. `value` is JSON.
pub(crate) fn answer_json(answer: std::result::Result<String, Error>) -> String {
    match answer {
        Ok(value) => format!("{{\"value\":{value}}}"),
        Err(Error { code, message, .. }) => {
            serde_json::json!({ "code": code.as_str(), "message": message }).to_string()
        }
    }
}
