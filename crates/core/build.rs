//! Packs the page, which is a fiftieth of the addon otherwise and which most daemons are never asked for: `src/http/page.rs` unpacks it.

use std::fmt::Write as _;
use std::io::{Error, Result, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;

const FOLDER: &str = "src/http/page";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let entries = std::fs::read_dir(FOLDER)?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();

    let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
    // Each file's path at the server, and its length: they are packed one behind the other.
    let mut table = String::new();
    for file in &files {
        let content = std::fs::read(file)?;
        packed.write_all(&content)?;
        let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(|| Error::other("no name"))?;
        let path = if name == "index.html" { "" } else { name };
        write!(table, "(\"/{path}\", {}), ", content.len()).map_err(Error::other)?;
    }
    let folder = std::env::var_os("OUT_DIR").ok_or_else(|| Error::other("cargo gives OUT_DIR"))?;
    let folder = Path::new(&folder);
    std::fs::write(folder.join("page.deflate"), packed.finish()?)?;
    std::fs::write(folder.join("page.rs"), format!("[{table}]"))
}
