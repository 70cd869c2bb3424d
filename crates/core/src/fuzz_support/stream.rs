//! What comes back from Redis: entries of a stream, to which everybody who may write there writes what they like.

use crate::consumer::StreamEvent;
use crate::stream_reply::Entry;

/// The entry's ID, then names and values, with a zero between each two.
///
/// # Panics
/// Where the reader breaks a law.
pub fn stream_entry(input: &[u8]) {
    let mut parts = input.split(|&byte| byte == 0).map(<[u8]>::to_vec);
    let id = String::from_utf8_lossy(&parts.next().unwrap_or_default()).into_owned();
    let mut fields = Vec::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        fields.push((name, value));
    }
    let mut entry = Entry { id, fields };
    let Some(event) = read(&entry) else { return };
    let told = serde_json::to_string(&event).expect("JSON");
    assert!(told.len() <= 16 * input.len() + 4096, "{} bytes of {}", told.len(), input.len());
    // What nobody knows says nothing, and what is there twice is not taken for either.
    entry.fields.push((b"colour".to_vec(), b"blue".to_vec()));
    assert_eq!(read(&entry).as_ref(), Some(&event));
    entry.fields.extend_from_within(..);
    assert_eq!(read(&entry), None, "one of two was taken");
}

/// The event in it; without one, there is a reason.
pub(super) fn read(entry: &Entry) -> Option<StreamEvent> {
    match StreamEvent::of(entry) {
        Ok(event) => Some(event),
        Err(reason) => {
            assert!(super::is_presentable(&reason), "{reason:?}");
            None
        }
    }
}
