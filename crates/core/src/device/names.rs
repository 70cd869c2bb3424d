//! What the USB ID Repository calls a device, where the device gives no name of its own.

use super::Device;

/// Names by vendor and product ID. What the device says itself is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownNames {
    /// Who has the vendor ID.
    pub vendor: Option<String>,
    /// What has the product ID.
    pub product: Option<String>,
}

impl Device {
    /// Looks up what the device does not say, or what is not known of it yet. Takes some 20 µs where it lacks a text, so whoever shows
    /// a device asks, and never the engine; without the feature `names` nothing is known.
    pub fn known_names(&self) -> KnownNames {
        let lacks = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        let (lacks_vendor, lacks_product) = (lacks(&self.manufacturer), lacks(&self.product));
        if !lacks_vendor && !lacks_product {
            return KnownNames::default();
        }
        let KnownNames { vendor, product } = look_up(self.descriptor.id_vendor, self.descriptor.id_product);
        KnownNames { vendor: vendor.filter(|_| lacks_vendor), product: product.filter(|_| lacks_product) }
    }
}

#[cfg(feature = "names")]
fn look_up(vendor: u16, product: u16) -> KnownNames {
    usb_daemon_names::names(vendor, product)
        .map(|names| KnownNames { vendor: Some(names.vendor), product: names.product })
        .unwrap_or_default()
}

#[cfg(not(feature = "names"))]
fn look_up(_: u16, _: u16) -> KnownNames {
    KnownNames::default()
}

#[cfg(all(test, feature = "names"))]
mod tests {
    use super::*;
    use crate::device::DeviceDescriptor;

    fn names(id_product: u16, manufacturer: Option<&str>, product: Option<&str>) -> (String, String) {
        let device = Device {
            descriptor: DeviceDescriptor { id_vendor: 0x046d, id_product, ..DeviceDescriptor::default() },
            manufacturer: manufacturer.map(Into::into),
            product: product.map(Into::into),
            ..crate::test_support::device()
        };
        let KnownNames { vendor, product } = device.known_names();
        (vendor.unwrap_or_default(), product.unwrap_or_default())
    }

    #[test]
    fn a_device_has_names_for_what_it_does_not_say() {
        let (vendor, product) = ("Logitech, Inc.".to_owned(), "Mouse".to_owned());
        let none = String::new;
        assert_eq!(names(0xc077, None, None), (vendor.clone(), product.clone()));
        assert_eq!(names(0xc077, Some("Logi"), None), (none(), product.clone()));
        assert_eq!(names(0xc077, None, Some("M105")), (vendor.clone(), none()));
        assert_eq!(names(0xc077, Some("Logi"), Some("M105")), (none(), none()));
        assert_eq!(names(0xc077, Some(""), Some(" \t")), (vendor.clone(), product));
        assert_eq!(names(0xffff, None, None), (vendor, none()));
    }
}
