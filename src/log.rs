//! The log of one object of JavaScript's, and the level that all of one thread of JavaScript's share. Its facade is `js/log.js`.

use std::sync::Arc;

use napi::bindgen_prelude::Function;
use napi_derive::napi;
use usb_daemon_core::{Code, Log, LogLevel};

use crate::failure::{Result, failure};
use crate::waking::waking;

/// The least level that is heard.
#[napi]
pub struct NativeLogLevel(Arc<LogLevel>);

#[napi]
impl NativeLogLevel {
    /// Checks the level's name.
    #[napi(constructor, catch_unwind)]
    pub fn new(level: String) -> Result<Self> {
        LogLevel::new(&level).map(|level| Self(Arc::new(level))).map_err(failure)
    }

    /// Another one holds from now on.
    #[napi(catch_unwind)]
    pub fn set(&self, level: String) -> Result<()> {
        self.0.set(&level).map_err(failure)
    }
}

/// A log that is given to what is to write it.
#[napi]
pub struct NativeLog {
    log: Arc<Log>,
}

#[napi]
impl NativeLog {
    /// `wake` is called once whenever lines begin to wait.
    #[napi(constructor, catch_unwind)]
    pub fn new(level: &NativeLogLevel, wake: Function<(), ()>) -> Result<Self> {
        let wake = waking(wake)?;
        Ok(Self { log: Arc::new(Log::new(Arc::clone(&level.0), Box::new(move || wake()))) })
    }

    /// Whether somebody listens.
    #[napi(catch_unwind)]
    pub fn listen(&self, is_listened: bool) {
        self.log.set_listened(is_listened);
    }

    /// Up to `limit` lines as JSON: `{ more, lines }`. Until `more` is false there is no further wake-up.
    #[napi(catch_unwind)]
    pub fn take(&self, limit: u32) -> Result<String> {
        let (lines, more) = self.log.take(limit as usize);
        let lines = serde_json::to_string(&lines)
            .map_err(|error| napi::Error::new(Code::System, format!("lines cannot be written: {error}")))?;
        Ok(format!("{{\"more\":{more},\"lines\":{lines}}}"))
    }
}

impl NativeLog {
    /// For whoever writes it.
    pub(crate) fn shared(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }
}
