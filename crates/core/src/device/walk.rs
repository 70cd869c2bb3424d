//! Descriptor after descriptor, as far as they can be told apart.

/// Each descriptor, of two bytes at least, with its place.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// From the byte `at` on.
    pub(super) fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Once nothing more comes: what is wrong with what is left, if anything is left.
    pub(super) fn fault(&self) -> Option<String> {
        let length = self.bytes.get(self.at)?;
        let rest = self.bytes.len() - self.at;
        Some(fault(self.at, format_args!("says that it has {length} bytes, of the {rest} that are left")))
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let length = usize::from(*self.bytes.get(at)?);
        let descriptor = self.bytes.get(at..at + length).filter(|descriptor| descriptor.len() >= 2)?;
        self.at += length;
        Some((at, descriptor))
    }
}

/// What is wrong with the descriptor at this byte.
pub(super) fn fault(at: usize, what: impl std::fmt::Display) -> String {
    format!("the descriptor at byte {at} {what}")
}

/// It is shorter than one of its kind.
pub(super) fn too_short(at: usize, descriptor: &[u8], least: usize) -> String {
    fault(at, format_args!("has {} bytes, and needs {least}", descriptor.len()))
}
