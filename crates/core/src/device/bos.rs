//! The binary device object store: what a device says since USB 2.1 of itself beyond its configurations.

use serde::{Deserialize, Serialize};

use super::walk::{Walk, fault, too_short};

const STORE: u8 = 0x0f;
const STORE_LENGTH: usize = 5;
const DEVICE_CAPABILITY: u8 = 0x10;
const PLATFORM: u8 = 5;
const PLATFORM_LENGTH: usize = 20;

/// A platform for which a device has something to say, asked for by requests of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Pages on the web may ask their user for it.
    WebUsb,
    /// It has Microsoft's OS 2.0 descriptors.
    MsOs20,
}

impl Platform {
    pub(super) const ALL: [Self; 2] = [Self::WebUsb, Self::MsOs20];

    /// The word among a device's capabilities.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::WebUsb => "platform:webusb",
            Self::MsOs20 => "platform:msos20",
        }
    }

    /// Its UUID as it goes over the wire: the first three parts with the least byte first.
    fn uuid(self) -> [u8; 16] {
        match self {
            // {3408b638-09a9-47a0-8bfd-a0768815b665}, by the WebUSB specification.
            Self::WebUsb => 0x38b6_0834_a909_a047_8bfd_a076_8815_b665_u128,
            // {d8dd60df-4589-4cc7-9cd2-659d9e648a9f}, by "Microsoft OS 2.0 Descriptors Specification".
            Self::MsOs20 => 0xdf60_ddd8_8945_c74c_9cd2_659d_9e64_8a9f_u128,
        }
        .to_be_bytes()
    }
}

/// What a store says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// Each once, in the order of the descriptors.
    pub platforms: Vec<Platform>,
    /// The first thing in it that is not as USB has it. What came before it stands.
    pub fault: Option<String>,
}

/// Reads the raw bytes, as sysfs has them in `bos_descriptors`.
///
/// No bytes make this fail, and the time that it takes grows with their number alone.
pub fn store(bytes: &[u8]) -> Store {
    let mut found = Store::default();
    let [length, STORE, low, high, _, ..] = *bytes else {
        found.fault = Some(format!("the {} bytes are no device object store", bytes.len()));
        return found;
    };
    let total = usize::from(u16::from_le_bytes([low, high]));
    let length = usize::from(length);
    if total > bytes.len() {
        let what = format_args!(
            "says that it has {total} bytes with all that follows, of which {} are there",
            bytes.len()
        );
        found.fault = Some(fault(0, what));
    } else if length < STORE_LENGTH || total < length {
        let what = format_args!("says that it has {length} bytes, and with all that follows {total}");
        found.fault = Some(fault(0, what));
    }
    let mut walk = Walk::from(&bytes[..total.min(bytes.len())], STORE_LENGTH.max(length));
    for (at, descriptor) in &mut walk {
        if descriptor[1] != DEVICE_CAPABILITY || descriptor.get(2) != Some(&PLATFORM) {
            continue;
        }
        let Some(uuid) = descriptor.get(PLATFORM_LENGTH - 16..PLATFORM_LENGTH) else {
            found.fault.get_or_insert_with(|| too_short(at, descriptor, PLATFORM_LENGTH));
            continue;
        };
        let known = Platform::ALL.into_iter().find(|platform| platform.uuid() == uuid);
        found.platforms.extend(known.filter(|platform| !found.platforms.contains(platform)));
    }
    found.fault = found.fault.or_else(|| walk.fault());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::bytes;
    use proptest::prelude::*;

    /// A store of USB 2.0 extension, `WebUSB` and Microsoft's OS 2.0 descriptors.
    const BOTH: &str = "050f400003 07100206000000\
        1810050038b60834a909a0478bfda0768815b665000101 01 1c100500df60ddd88945c74c9cd2659d9e648a9f000003060a032000";

    #[test]
    fn platforms_are_told_by_their_uuids() {
        let raw = bytes(BOTH);
        assert_eq!(store(&raw), Store { platforms: vec![Platform::WebUsb, Platform::MsOs20], fault: None });
    }
    #[test]
    fn what_is_not_as_usb_has_it_is_said_and_what_came_before_stands() {
        let whole = bytes(BOTH);
        let with_total = |total: u8, more: &[u8]| {
            let mut raw = [whole.as_slice(), more].concat();
            raw[2] = total;
            raw
        };
        for (raw, platforms, fault) in [
            (Vec::new(), 0, Some("the 0 bytes are no device object store")),
            (bytes("1201000200"), 0, Some("the 5 bytes are no device object store")),
            (
                whole[..40].to_vec(),
                1,
                Some(
                    "the descriptor at byte 0 says that it has 64 bytes with all that follows, of which 40 are there",
                ),
            ),
            (
                with_total(60, &[]),
                1,
                Some("the descriptor at byte 36 says that it has 28 bytes, of the 24 that are left"),
            ),
            (
                with_total(68, &[4, 0x10, 5, 0]),
                2,
                Some("the descriptor at byte 64 has 4 bytes, and needs 20"),
            ),
            (
                with_total(4, &[]),
                0,
                Some("the descriptor at byte 0 says that it has 5 bytes, and with all that follows 4"),
            ),
            (
                [&[4], &whole[1..]].concat(),
                2,
                Some("the descriptor at byte 0 says that it has 4 bytes, and with all that follows 64"),
            ),
            // What follows is not of it; another one's capability says nothing to us; a platform counts once.
            (with_total(64, &[9, 9]), 2, None),
            (with_total(67, &[3, 0x10, 4]), 2, None),
            (with_total(92, &whole[36..]), 2, None),
        ] {
            let found = store(&raw);
            assert_eq!((found.platforms.len(), found.fault.as_deref()), (platforms, fault));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_fail(noise in proptest::collection::vec(any::<u8>(), 0..512)) {
            let raw = [&[5, STORE, 0xff, 0x01, 9], noise.as_slice()].concat();
            prop_assert!(store(&raw).platforms.len() <= Platform::ALL.len());
            let _ = store(&noise);
        }
    }
}
