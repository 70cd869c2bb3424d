//! What the string of an interface says that it is for, where its codes do not.

const STILL_IMAGE: u8 = 0x06;
const VENDOR_SPECIFIC: u8 = 0xff;
const MTP: &str = "image:mtp";

/// What an interface of this class says by its string: MTP has no codes of its own. Microsoft's specification has it in vendor-specific interfaces,
/// Android in those for still images as well, and both call the interface `MTP`.
pub(crate) fn of_interface_string(class: u8, text: &str) -> Option<&'static str> {
    (matches!(class, STILL_IMAGE | VENDOR_SPECIFIC) && text == "MTP").then_some(MTP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_mtps_by_its_string() {
        assert_eq!([0xff, 0x06].map(|class| of_interface_string(class, "MTP")), [Some("image:mtp"); 2]);
        for (class, text) in [(0xff, "ADB Interface"), (0xff, ""), (0xff, "MTP2"), (0x08, "MTP")] {
            assert_eq!(of_interface_string(class, text), None, "{class:x} {text}");
        }
    }

    #[test]
    fn its_word_stands_in_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CAPABILITIES.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let (_, strings) = page.split_once("## From interface strings").expect("a list");
        assert!(strings.contains(&format!("`{MTP}`")), "{strings}");
    }
}
