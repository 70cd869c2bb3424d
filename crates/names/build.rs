//! Makes the table: what the USB ID Repository knows of vendors and products, in blocks that are packed each by itself.

use std::fmt::Write as _;
use std::path::Path;

use miniz_oxide::deflate::compress_to_vec;
use usb_ids::{Device, Vendor, Vendors};

/// Bytes of a block before it is packed. With larger ones the table is smaller and a look-up longer.
const BLOCK: usize = 4 << 10;
const BEST_COMPRESSION: u8 = 10;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut vendors: Vec<&Vendor> = Vendors::iter().collect();
    vendors.sort_unstable_by_key(|vendor| vendor.id());
    let mut table = Table::default();
    for vendor in vendors {
        table.begin(vendor, 0);
        let mut products: Vec<_> = vendor.devices().collect();
        products.sort_unstable_by_key(|product| product.id());
        for product in products {
            table.add(vendor, product);
        }
    }
    table.close_block();
    let out = std::env::var_os("OUT_DIR").expect("cargo gives a folder");
    table.write(Path::new(&out));
}

/// A number has the high byte first. Behind a name comes the end of a line, which packs better than its length before it.
fn entry(numbers: &[u16], name: &str) -> Vec<u8> {
    assert!(!name.contains('\n'), "the repository has a line for each name");
    let mut entry: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    entry.extend(name.as_bytes());
    entry.push(b'\n');
    entry
}

/// Vendors with how many products follow; a vendor whose products do not fit into a block begins the next one again.
#[derive(Default)]
struct Table {
    packed: Vec<u8>,
    /// The first vendor and product of each block, and where in `packed` it begins.
    index: String,
    block: Vec<u8>,
    first: u32,
    /// Where the number of products is of the vendor in hand, and what it is.
    count_at: usize,
    count: u16,
}

impl Table {
    fn begin(&mut self, vendor: &Vendor, product: u16) {
        let entry = entry(&[vendor.id(), 0], vendor.name());
        if self.block.len() + entry.len() > BLOCK {
            self.close_block();
        }
        if self.block.is_empty() {
            self.first = u32::from(vendor.id()) << 16 | u32::from(product);
        }
        (self.count_at, self.count) = (self.block.len() + 2, 0);
        self.block.extend(entry);
    }

    fn add(&mut self, vendor: &Vendor, product: &Device) {
        let entry = entry(&[product.id()], product.name());
        if self.block.len() + entry.len() > BLOCK {
            self.close_block();
            self.begin(vendor, product.id());
        }
        self.block.extend(entry);
        self.count += 1;
        self.block[self.count_at..self.count_at + 2].copy_from_slice(&self.count.to_be_bytes());
    }

    fn close_block(&mut self) {
        write!(self.index, "({}, {}), ", self.first, self.packed.len()).expect("strings take all");
        self.packed.extend(compress_to_vec(&self.block, BEST_COMPRESSION));
        self.block.clear();
    }

    fn write(&self, folder: &Path) {
        let Self { packed, index, .. } = self;
        let source = format!(
            "pub(super) const BLOCK: usize = {BLOCK};\npub(super) static INDEX: &[(u32, u32)] = &[{index}];\n"
        );
        std::fs::write(folder.join("blocks"), packed).expect("cargo's folder takes files");
        std::fs::write(folder.join("index.rs"), source).expect("cargo's folder takes files");
    }
}
