//! Attribute files, made once for each content and linked wherever they are needed.
//!
//! A plug writes about thirty small files; linking them takes a third of the time, so bursts come faster.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::failure::{Failure, While};

/// The contents seen so far, each a file named by its number.
#[derive(Debug)]
pub(crate) struct AttributeStore {
    directory: OwnedFd,
    numbers: HashMap<Vec<u8>, u32>,
}

impl AttributeStore {
    /// Opens the store in a directory of its own, on the file system that the links are made in.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(path).on(path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).on(path)?;
        Ok(Self { directory, numbers: HashMap::new() })
    }

    /// Makes the file `name` with this content.
    pub(crate) fn link(&mut self, content: Vec<u8>, into: impl AsFd, name: &str) -> rustix::io::Result<()> {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = self.numbers.get(&content).copied().unwrap_or(next);
        if number == next {
            self.write(number, &content)?;
            self.numbers.insert(content, number);
        }
        rustix::fs::linkat(&self.directory, number.to_string(), into, name, AtFlags::empty())
    }

    fn write(&self, number: u32, content: &[u8]) -> rustix::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&self.directory, number.to_string(), flags, Mode::from_raw_mode(0o444))?;
        let mut rest = content;
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest)?;
            rest = &rest[written..];
        }
        Ok(())
    }
}
