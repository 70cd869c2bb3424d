//! Names of vendors and products by their USB IDs, from the USB ID Repository (usb.ids), as the crate `usb-ids` has it.
//!
//! The build makes a table of small packed blocks. A look-up unpacks one of them and keeps nothing in memory.

use index::{BLOCK, INDEX};
use miniz_oxide::inflate::decompress_to_vec_with_limit;

#[expect(clippy::unreadable_literal, reason = "the build has written it")]
mod index {
    include!(concat!(env!("OUT_DIR"), "/index.rs"));
}

static BLOCKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/blocks"));

/// What is known of an ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Who has the vendor ID.
    pub vendor: String,
    /// What has this product ID of theirs, if that is known.
    pub product: Option<String>,
}

/// Bytes that a block has at most.
pub const LARGEST_BLOCK: usize = BLOCK;

/// Looks an ID up, in some 20 µs. None where nobody is known to have this vendor ID.
pub fn names(vendor: u16, product: u16) -> Option<Names> {
    let packed = packed(u32::from(vendor) << 16 | u32::from(product))?;
    names_in(&unpack(packed)?, vendor, product)
}

/// Looks an ID up in one block. What its bytes do not say in the table's own form has no names.
pub fn names_in(block: &[u8], vendor: u16, product: u16) -> Option<Names> {
    let mut rest = Rest(block);
    loop {
        let (id, products) = (rest.number()?, rest.number()?);
        let name = rest.name()?;
        if id > vendor {
            return None;
        }
        let mut known = None;
        for _ in 0..products {
            let (id_product, name) = (rest.number()?, rest.name()?);
            if (id, id_product) == (vendor, product) {
                known = Some(name);
            }
        }
        if id == vendor {
            return Some(Names { vendor: name.to_owned(), product: known.map(str::to_owned) });
        }
    }
}

/// Unpacks a block. None where nothing of that kind is packed here, or more than [`LARGEST_BLOCK`] bytes are.
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    decompress_to_vec_with_limit(packed, LARGEST_BLOCK).ok()
}

/// The block in which this vendor and product are, if they are anywhere. A vendor begins each block anew that has products of theirs.
fn packed(wanted: u32) -> Option<&'static [u8]> {
    let next = INDEX.partition_point(|(first, _)| *first <= wanted);
    let place = |at: usize| INDEX.get(at).map(|(_, place)| *place as usize);
    let start = place(next.checked_sub(1)?)?;
    BLOCKS.get(start..place(next).unwrap_or(BLOCKS.len()))
}

/// What has not been read of a block yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*number))
    }

    fn name(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let (name, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        std::str::from_utf8(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use usb_ids::{Vendor, Vendors};

    fn found(vendor: &str, product: Option<&str>) -> Names {
        Names { vendor: vendor.into(), product: product.map(Into::into) }
    }

    #[test]
    fn known_ids_have_names_and_unknown_ones_none() {
        assert_eq!(names(0x046d, 0xc077), Some(found("Logitech, Inc.", Some("Mouse"))));
        assert_eq!(
            names(0x0403, 0x6001),
            Some(found("Future Technology Devices International, Ltd", Some("FT232 Serial (UART) IC")))
        );
        assert_eq!(names(0x046d, 0xffff), Some(found("Logitech, Inc.", None)));
        for vendor in [0, 0xfff1, 0xffff] {
            assert_eq!(names(vendor, 1), None, "{vendor:04x}");
        }
    }

    #[test]
    fn the_table_says_of_every_id_what_the_repository_says() {
        for vendor in Vendors::iter() {
            assert_eq!(names(vendor.id(), 0).map(|names| names.vendor).as_deref(), Some(vendor.name()));
            for product in vendor.devices() {
                assert_eq!(
                    names(vendor.id(), product.id()),
                    Some(found(vendor.name(), Some(product.name())))
                );
            }
        }
        let known: BTreeSet<u16> = Vendors::iter().map(Vendor::id).collect();
        for unknown in known.iter().map(|id| id.wrapping_add(1)).filter(|id| !known.contains(id)) {
            assert_eq!(names(unknown, 0), None, "{unknown:04x}");
        }
    }
}
