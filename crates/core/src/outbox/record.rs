//! An event as the outbox has it: JSON, under the names of its fields.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::Type;
use serde::Deserialize;
use serde::de::Error as _;

use crate::event::{Action, Attachment, Backend, Event, Synthetic};

/// Where the attachment begins in a record, as it is written.
const ATTACHMENT: &str = ",\"attachment\":";

/// An event's record.
pub(super) fn record(event: &Event) -> Result<String, rusqlite::Error> {
    serde_json::to_string(event).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Reads an event back from its record.
pub(super) fn event(row: &Row<'_>, column: usize) -> Result<Event, rusqlite::Error> {
    Reader::default().read(row, column)
}

/// Reads records one after another. The events of one attachment share it, as they did when they came, where they follow one another: a
/// device that comes and goes fills an outbox, and is read once for both.
#[derive(Default)]
pub(crate) struct Reader {
    producer: Option<Arc<str>>,
    /// The last attachment, and its text.
    attachment: Option<Arc<Attachment>>,
    text: String,
    /// Room for the text of a record without its attachment.
    rest: String,
}

/// What [`Event`] has written, but for the attachment.
#[derive(Deserialize)]
struct Rest<'a> {
    #[serde(borrow)]
    producer: Cow<'a, str>,
    seq: u64,
    action: Action,
    timestamp_ms: u64,
    backend: Backend,
    synthetic: Option<Synthetic>,
    libusb_alive: bool,
}

impl Reader {
    /// Reads the event in this column.
    pub(super) fn read(&mut self, row: &Row<'_>, column: usize) -> Result<Event, rusqlite::Error> {
        let record = row.get_ref(column)?.as_str()?;
        self.event(record)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
    }

    /// Reads the event of a record.
    pub(crate) fn event(&mut self, record: &str) -> Result<Event, serde_json::Error> {
        // Between quotes of a text before it each quote has a backslash: the first one found is the name.
        let Some((before, from_attachment)) = record.split_once(ATTACHMENT) else {
            return Err(serde_json::Error::missing_field("attachment"));
        };
        let (attachment, after) = self.attachment(from_attachment)?;
        if !after.starts_with(',') {
            return Err(serde_json::Error::custom("no field after the attachment"));
        }
        self.rest.clear();
        self.rest.extend([before, after]);
        let Rest { producer, seq, action, timestamp_ms, backend, synthetic, libusb_alive } =
            serde_json::from_str(&self.rest)?;
        Ok(Event {
            producer: shared(&mut self.producer, &producer),
            seq,
            action,
            timestamp_ms,
            attachment,
            backend,
            synthetic,
            libusb_alive,
            journey: crate::journey::Journey::default(),
        })
    }

    /// The attachment that this text begins with, and what follows it.
    fn attachment<'a>(&mut self, text: &'a str) -> Result<(Arc<Attachment>, &'a str), serde_json::Error> {
        if let Some(last) = &self.attachment
            && let Some(after) = text.strip_prefix(self.text.as_str())
        {
            return Ok((Arc::clone(last), after));
        }
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        let read = values.next().unwrap_or_else(|| Err(serde_json::Error::missing_field("attachment")))?;
        let (read_text, after) = text.split_at(values.byte_offset());
        read_text.clone_into(&mut self.text);
        Ok((Arc::clone(self.attachment.insert(Arc::new(read))), after))
    }
}

fn shared(last: &mut Option<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(last) = last.as_ref().filter(|last| ***last == *name) {
        return Arc::clone(last);
    }
    Arc::clone(last.insert(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;

    #[test]
    fn events_of_one_attachment_share_it_and_each_is_what_was_stored() {
        let numbers =
            [(1, Action::Attach, 1), (2, Action::Detach, 1), (3, Action::Attach, 2), (4, Action::Detach, 1)];
        let stored = numbers.map(|(seq, action, instance)| test_support::event(seq, action, instance));
        let mut reader = Reader::default();
        let read =
            stored.each_ref().map(|event| reader.event(&record(event).expect("a record")).expect("an event"));
        for (read, stored) in read.iter().zip(&stored) {
            assert_eq!(read, &**stored);
        }
        let shares = |one: usize, other: usize| Arc::ptr_eq(&read[one].attachment, &read[other].attachment);
        assert_eq!((shares(0, 1), shares(1, 2), shares(0, 3)), (true, false, false));
        assert!(Arc::ptr_eq(&read[0].producer, &read[3].producer));
    }

    #[test]
    fn what_could_not_be_read_is_shared_with_nobody() {
        let mut reader = Reader::default();
        let good = record(&test_support::event(1, Action::Attach, 1)).expect("a record");
        let bad = good.replace("\"partial\":false", "\"partial\":7");
        assert!(bad != good && reader.event(&good).is_ok());
        assert!(reader.event(&bad).is_err() && reader.event(&bad).is_err() && reader.event(&good).is_ok());
    }

    #[test]
    fn a_text_that_looks_like_the_attachments_name_is_not_taken_for_it() {
        let event = test_support::event(1, Action::Attach, 1);
        let producer = "a,\"attachment\":{}\\,\"attachment\":".into();
        let stored = Event { producer, ..(*event).clone() };
        let read = Reader::default().event(&record(&stored).expect("a record")).expect("an event");
        assert_eq!(read, stored);
    }

    #[test]
    fn what_is_cut_short_anywhere_is_no_event() {
        let stored = test_support::event(1, Action::Attach, 1);
        let text = record(&stored).expect("a record");
        let mut known = Reader::default();
        assert_eq!(known.event(&text).expect("an event"), *stored);
        for length in 0..text.len() {
            for reader in [&mut Reader::default(), &mut known] {
                assert!(reader.event(&text[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn what_an_attachment_parts_is_not_joined() {
        let text = record(&test_support::event(1, Action::Attach, 1)).expect("a record");
        let next = ",\"backend\"";
        assert_eq!(text.matches(next).count(), 1);
        // Another number before it, and another record after it.
        for damaged in
            [text.replace(next, &format!("3{next}")), text.replace(next, &format!("{{{}", &next[1..]))]
        {
            assert!(Reader::default().event(&damaged).is_err(), "{damaged}");
        }
    }
}
