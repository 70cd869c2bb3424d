//! The one public error: a stable code, and a sentence that names what failed and what to do.

use std::fmt;

/// Stable codes of errors that reach a user; they are `err.code` in JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `ERR_USB_CONFIG`: the configuration has a bad value or an unknown key.
    Config,
    /// `ERR_USB_SOURCE`: a source was asked for something while it is off.
    Source,
    /// `ERR_USB_PORT`: the HTTP server cannot have its address.
    Port,
    /// `ERR_USB_REDIS`: Redis has not taken events.
    Redis,
    /// `ERR_USB_REDIS_RESET`: Redis has forgotten what it had acknowledged.
    RedisReset,
    /// `ERR_USB_AT_LEAST_ONCE`: the user's rights on the server do not allow more.
    AtLeastOnce,
    /// `ERR_USB_SECOND_PRODUCER`: another daemon publishes this machine's events to the same stream.
    SecondProducer,
    /// `ERR_USB_LAG`: a consumer group keeps the stream from being trimmed.
    Lag,
    /// `ERR_USB_OUTBOX`: the outbox's file cannot be used, or holds less than it should.
    Outbox,
    /// `ERR_USB_NOT_RUNNING`: the daemon has not been started, or has been stopped.
    NotRunning,
    /// `ERR_USB_SYSTEM`: the process can have no further thread, descriptor or random number.
    System,
    /// `ERR_USB_TIMEOUT`: what was waited for has not come in time.
    Timeout,
    /// `ERR_USB_DEVICE`: a device was described in a way that none can be.
    Device,
    /// `ERR_USB_ENTRY`: an entry of the stream cannot be read.
    Entry,
    /// `ERR_USB_HANDLER`: a handler has failed.
    Handler,
    /// `ERR_USB_SPOOL`: what the helper of udev writes down cannot be read or removed.
    Spool,
    /// `ERR_USB_DRIVER`: a driver cannot be bound.
    Driver,
    /// `ERR_USB_UDEV`: rules and helper for udev cannot be installed or removed.
    Udev,
}

impl Code {
    /// The code as users see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "ERR_USB_CONFIG",
            Self::Source => "ERR_USB_SOURCE",
            Self::Port => "ERR_USB_PORT",
            Self::Redis => "ERR_USB_REDIS",
            Self::RedisReset => "ERR_USB_REDIS_RESET",
            Self::AtLeastOnce => "ERR_USB_AT_LEAST_ONCE",
            Self::SecondProducer => "ERR_USB_SECOND_PRODUCER",
            Self::Lag => "ERR_USB_LAG",
            Self::Outbox => "ERR_USB_OUTBOX",
            Self::NotRunning => "ERR_USB_NOT_RUNNING",
            Self::System => "ERR_USB_SYSTEM",
            Self::Timeout => "ERR_USB_TIMEOUT",
            Self::Device => "ERR_USB_DEVICE",
            Self::Entry => "ERR_USB_ENTRY",
            Self::Handler => "ERR_USB_HANDLER",
            Self::Spool => "ERR_USB_SPOOL",
            Self::Driver => "ERR_USB_DRIVER",
            Self::Udev => "ERR_USB_UDEV",
        }
    }
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// An error for a user: code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Stable code.
    pub code: Code,
    /// What failed, where, and what to do about it.
    pub message: String,
    /// Where a configuration is bad: what is wrong with it, each sentence beginning with the path of its key.
    pub faults: Vec<String>,
}

impl Error {
    /// An error with this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), faults: Vec::new() }
    }

    /// A bad configuration with these faults, all of which the message names.
    pub fn of_faults(faults: Vec<String>) -> Self {
        let count = if faults.len() > 1 { format!(", {} faults", faults.len()) } else { String::new() };
        let message = format!("bad configuration{count}: {}", faults.join("; "));
        Self { code: Code::Config, message, faults }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What a message shows of a value at most.
const LONGEST: usize = 60;

/// Short enough for a line, and without anything that a terminal would take for its own.
pub(crate) fn shown(text: &str) -> String {
    shortened(text, LONGEST).replace(char::is_control, "\u{fffd}")
}

/// The first characters, and a sign that there are more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_clean() {
        assert_eq!(shown("a\u{1b}[31m\n"), "a\u{fffd}[31m\u{fffd}");
        let most = "é".repeat(LONGEST);
        assert_eq!(shown(&most), most);
        assert_eq!(shown(&format!("{most}x")), format!("{most}…"));
    }
}
