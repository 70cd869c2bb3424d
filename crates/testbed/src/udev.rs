//! The messages of a udevd, for programs that hear nothing else (libusb built with libudev).

use crate::uevent::Uevent;

const PREFIX: &[u8; 8] = b"libudev\0";
const MAGIC: u32 = 0xfeed_cafe;
const HEADER: u32 = 40;

/// Builds the message that udevd multicasts once it has handled a uevent.
pub(crate) fn message(uevent: &Uevent, sequence_number: &str) -> Vec<u8> {
    let mut properties = uevent.payload();
    let title = properties.iter().position(|&byte| byte == 0).map_or(0, |end| end + 1);
    properties.drain(..title);
    properties.extend(format!("SEQNUM={sequence_number}\0USEC_INITIALIZED=1\0").bytes());
    let devtype = uevent.keys.iter().find(|(key, _)| *key == "DEVTYPE").map(|(_, value)| value.as_bytes());

    let mut message = PREFIX.to_vec();
    message.extend(MAGIC.to_be_bytes());
    message.extend(HEADER.to_ne_bytes());
    message.extend(HEADER.to_ne_bytes());
    message.extend(u32::try_from(properties.len()).unwrap_or(u32::MAX).to_ne_bytes());
    message.extend(murmur_hash(uevent.subsystem.as_bytes()).to_be_bytes());
    message.extend(devtype.map_or(0, murmur_hash).to_be_bytes());
    // The tag filter: no tags.
    message.extend([0; 8]);
    message.extend(properties);
    message
}

/// `MurmurHash2` with seed 0: receivers filter on it in the kernel.
fn murmur_hash(data: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let mut hash = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut value = u32::from_ne_bytes(*word).wrapping_mul(FACTOR);
        value ^= value >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ value.wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        for (position, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * position);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::murmur_hash;

    #[test]
    fn hashes_as_udevd_does() {
        // What Debian 12's libudev attaches to its socket as filter for these two.
        assert_eq!(murmur_hash(b"usb"), 0x0577_c5e5);
        assert_eq!(murmur_hash(b"usb_device"), 0x27f8_f50c);
    }
}
