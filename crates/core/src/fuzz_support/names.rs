//! The packed table of what the USB ID Repository calls vendors and products. Its text is parsed by the crate `usb-ids` while that is
//! built, and by nothing of ours: what is read here are blocks of the table.

use ::usb_ids::{Device, FromId as _, Vendor};
use usb_daemon_names::{LARGEST_BLOCK, Names, names, names_in, unpack};

/// A vendor and a product, then a block: as it is, and as what is packed.
///
/// # Panics
/// Where the reader breaks a law.
pub fn usb_ids(input: &[u8]) {
    let Some((id, block)) = input.split_first_chunk::<4>() else { return };
    let [vendor, product] = [[id[0], id[1]], [id[2], id[3]]].map(u16::from_be_bytes);
    assert_eq!(names(vendor, product), of_repository(vendor, product), "{vendor:04x}:{product:04x}");
    look_up(block, vendor, product);
    if let Some(unpacked) = unpack(block) {
        assert!(unpacked.len() <= LARGEST_BLOCK, "unbounded");
        look_up(&unpacked, vendor, product);
    }
}

fn of_repository(vendor: u16, product: u16) -> Option<Names> {
    Some(Names {
        vendor: Vendor::from_id(vendor)?.name().to_owned(),
        product: Device::from_vid_pid(vendor, product).map(|product| product.name().to_owned()),
    })
}

fn look_up(block: &[u8], vendor: u16, product: u16) {
    let found = names_in(block, vendor, product);
    // What comes later changes nothing of what came before.
    let in_half = names_in(&block[..block.len() / 2], vendor, product);
    assert!(in_half.is_none() || in_half == found, "{in_half:?}, then {found:?}");
    // Whose ID it is does not depend on what is asked of them.
    let of_another = names_in(block, vendor, !product).map(|names| names.vendor);
    assert_eq!(of_another.as_ref(), found.as_ref().map(|names| &names.vendor));
    let Some(found) = found else { return };
    // Both stand there in this order, each behind its number: nothing is made up of two.
    let behind = |text: &[u8], number: u16, between: usize, name: &str| {
        let line = [name.as_bytes(), b"\n"].concat();
        assert!(!name.contains('\n'), "{name:?}");
        let mut places = text.windows(2 + between + line.len());
        places.position(|place| place.starts_with(&number.to_be_bytes()) && place.ends_with(&line))
    };
    let at = behind(block, vendor, 2, &found.vendor).expect("a vendor that is in the block");
    if let Some(name) = found.product {
        assert!(behind(&block[at..], product, 0, &name).is_some(), "{name:?} is not in the block");
    }
}
