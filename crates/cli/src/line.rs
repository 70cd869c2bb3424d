//! One notice as one line for a person.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use usb_daemon_core::{
    Action, Device, Event, Gap, Guarantee, Node, Notice, OutboxStatus, Readiness, RedisStatus, SourceStatus,
};

use crate::status;
use crate::style::{Ink, Style};

/// Where a line belongs: events on stdout, where a pipe reads them, all else on stderr.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Event(String),
    Status(String),
}

/// Prints a notice: everything as JSON, or what a person needs.
pub(crate) fn print(notice: &Notice, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, notice)?;
        return out.write_all(b"\n");
    }
    match line(notice) {
        Some(Line::Event(line)) => writeln!(out, "{line}")?,
        Some(Line::Status(line)) => status(&line),
        None => {}
    }
    Ok(())
}

/// The line of a notice, if a person needs one.
fn line(notice: &Notice) -> Option<Line> {
    Some(match notice {
        Notice::Transition(event) | Notice::Stayed(event) => Line::Event(transition(event, Style::Plain)),
        Notice::Source(SourceStatus { source, state, reason }) => {
            Line::Status(format!("{source:<9} {:<12} {reason}", format!("{state:?}").to_lowercase()))
        }
        Notice::Redis(status) => Line::Status(redis(status)),
        Notice::Gap(gap) => Line::Status(self::gap(gap)),
        Notice::Driver(report) => Line::Status(crate::driver::told(report)),
        Notice::Error { error, .. } => {
            Line::Status(format!("{:<9} {error} [{}]", "error", error.code.as_str()))
        }
        // One line for each event; who wants to know more asks `watch --ready`.
        Notice::Ready { .. }
        | Notice::Started
        | Notice::Stopped
        | Notice::Published { .. }
        | Notice::Injected { .. } => {
            return None;
        }
    })
}

/// One transition.
pub(crate) fn transition(event: &Event, style: Style) -> String {
    let attachment = &event.attachment;
    let device = &attachment.device;
    let descriptor = &device.descriptor;
    let ink = if event.action == Action::Attach { Ink::Good } else { Ink::Bad };
    let mut line = format!(
        "{}  {}  {:>3}:{:03}  port {:<8} {:04x}:{:04x}",
        style.paint(Ink::Faint, &time(event.timestamp_ms)),
        style.paint(ink, event.action.as_str()),
        device.address.bus,
        device.address.device,
        device.port_path.to_string(),
        descriptor.id_vendor,
        descriptor.id_product,
    );
    for text in [&device.manufacturer, &device.product].into_iter().flatten() {
        line.push(' ');
        line.push_str(&printable(text));
    }
    if let Some(serial) = &device.serial_number {
        // Writing to a string cannot fail.
        let _ = write!(line, " serial {}", printable(serial));
    }
    let remark = match (event.synthetic, device.partial) {
        (Some(synthetic), _) => format!("({}, {})", event.backend.as_str(), synthetic.as_str()),
        (None, true) => format!("({}, partial)", event.backend.as_str()),
        (None, false) => format!("({})", event.backend.as_str()),
    };
    format!("{line}  {}", style.paint(Ink::Faint, &remark))
}

/// How far a device is: its nodes, or what stands in the way.
pub(crate) fn ready(event: &Event, readiness: &Readiness, style: Style) -> String {
    let Device { address, port_path, .. } = &event.attachment.device;
    let (ink, word) = if readiness.is_ready { (Ink::Good, "ready ") } else { (Ink::Bad, "not ready") };
    let address = format!("{:>3}:{:03}", address.bus, address.device);
    let elapsed_ms = readiness.elapsed_ms.round();
    let mut line = format!(
        "{}  {}  {address}  port {:<8} after {elapsed_ms} ms",
        style.paint(Ink::Faint, &time(readiness.timestamp)),
        style.paint(ink, word),
        port_path.to_string(),
    );
    for Node { subsystem, name, path, .. } in &readiness.nodes {
        line.push_str("  ");
        line.push_str(&printable(path.as_ref().unwrap_or(name)));
        if path.is_none() {
            // Writing to a string cannot fail.
            let _ = write!(line, " ({subsystem})");
        }
    }
    for obstacle in &readiness.obstacles {
        line.push_str("  ");
        line.push_str(&style.paint(Ink::Bad, &on_one_line(&obstacle.detail)));
    }
    line
}

fn redis(status: &RedisStatus) -> String {
    let RedisStatus { connected, address, reason, waiting, delivery } = status;
    if *connected {
        let delivery =
            if *delivery == Some(Guarantee::AtLeastOnce) { ", each event at least once" } else { "" };
        return format!("{:<9} {:<12} {address}{delivery}", "redis", "up");
    }
    let reason = reason.as_deref().unwrap_or_default();
    format!("{:<9} {:<12} {address}: {reason}; {waiting} events wait, tried again", "redis", "away")
}

/// Where events are stored.
pub(crate) fn outbox(status: &OutboxStatus) -> String {
    let OutboxStatus { durable, path, accounts, .. } = status;
    let waiting =
        if accounts.waiting > 0 { format!(", {} events wait", accounts.waiting) } else { String::new() };
    match path.as_ref().filter(|_| *durable) {
        Some(path) => format!("{:<9} {:<12} {path}{waiting}", "outbox", "up"),
        None => format!("{:<9} {:<12} in memory: what waits ends with the daemon", "outbox", "volatile"),
    }
}

fn gap(gap: &Gap) -> String {
    let lost = gap.lost.map(|lost| format!(", {lost} events lost")).unwrap_or_default();
    let cause = serde_json::to_value(gap.cause).ok();
    let cause = cause.as_ref().and_then(|cause| cause.as_str()).unwrap_or_default().to_owned();
    format!("{:<9} {cause} ({}){lost}, {} events made by reconciliation", "gap", gap.source, gap.synthesized)
}

fn time(ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// Device strings are hostile: nothing in them may move the cursor or colour the terminal.
pub(crate) fn printable(text: &str) -> String {
    escaped(text, |character| matches!(character, '\'' | '"'))
}

/// Our own text with somebody else's in it: only what would break the line is escaped.
pub(crate) fn on_one_line(text: &str) -> String {
    escaped(text, |character| !character.is_control())
}

/// As in a Rust string, but for what `stays`.
fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if stays(character) {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_debug());
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_strings_stay_on_their_line() {
        assert_eq!(printable("a\n\u{1b}[31mb\u{202e}c\\ 'ü'"), "a\\n\\u{1b}[31mb\\u{202e}c\\\\ 'ü'");
    }

    #[test]
    fn an_absent_redis_says_what_waits() {
        let status = RedisStatus {
            connected: false,
            address: "localhost:6379".into(),
            delivery: None,
            reason: Some("connection refused".into()),
            waiting: 3,
        };
        let Some(Line::Status(line)) = line(&Notice::Redis(status)) else { panic!("a status line") };
        assert_eq!(
            line,
            "redis     away         localhost:6379: connection refused; 3 events wait, tried again"
        );
    }
}
