//! The IDs of an event's trace and of its spans. They are made of its event ID, which never comes again, so that each process,
//! and each start after another, gives the same event the same trace, and nothing of it has to be stored.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::sampler::Sampler;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceId(pub(super) [u8; 16]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanId(pub(super) [u8; 8]);

/// The event's own span.
pub(super) const ROOT: &str = "";
/// The span that hands it on.
pub(super) const PUBLISH: &str = "publish";

impl TraceId {
    pub(super) fn of(event_id: &str) -> Self {
        Self(digest(&[event_id]))
    }

    /// As two numbers.
    pub(super) fn halves(self) -> [u64; 2] {
        let whole = u128::from_be_bytes(self.0);
        #[expect(clippy::cast_possible_truncation, reason = "halves")]
        [(whole >> 64) as u64, whole as u64]
    }
}

impl SpanId {
    /// Of the step of this name.
    pub(super) fn of(event_id: &str, step: &str) -> Self {
        Self(digest(&[event_id, "/", step]))
    }
}

/// All of zeros is no ID; once in 2^64 it is not to be either.
fn digest<const N: usize>(parts: &[&str]) -> [u8; N] {
    let hash = parts.iter().fold(Sha256::new(), Digest::chain_update).finalize();
    let mut id = [0; N];
    id.copy_from_slice(&hash[..N]);
    if id == [0; N] {
        id[N - 1] = 1;
    }
    id
}

/// W3C's traceparent of an event: what continues it hangs on the span that published it.
pub fn traceparent(event_id: &str, sampler: Sampler) -> String {
    let trace = TraceId::of(event_id);
    let flags = u8::from(sampler.takes(trace));
    format!("00-{trace}-{}-{flags:02x}", SpanId::of(event_id, PUBLISH))
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream_field;

    #[test]
    fn an_event_has_one_trace_for_ever_and_its_steps_have_spans_of_their_own() {
        // Whoever changes this tears the traces of events that wait apart.
        let known = "00-148e29349255ecbb72db139475ed5ca8-6c229afedd937da2-01";
        let found = traceparent("0a6bf5b65ba74429:7", Sampler::ALL);
        assert_eq!(found, known);
        assert_eq!(stream_field::traceparent(&found), Some(found.clone()));
        assert_ne!(found, traceparent("0a6bf5b65ba74429:8", Sampler::ALL));
        assert_ne!(SpanId::of("a:1", ROOT), SpanId::of("a:1", PUBLISH));
    }
}
