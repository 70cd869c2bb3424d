//! Bytes that the kernel and udev write as `\x` and two hex digits, where what they write is a line and a string may hold anything.

/// Undoes that. None where a backslash begins anything else.
pub(crate) fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        let (digits, after) = after.strip_prefix(b"x")?.split_at_checked(2)?;
        plain.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_escape_is_one_byte() {
        assert_eq!(
            unescaped(b"a\\x0ab\\x5cx41 \xff\\xC3").as_deref(),
            Some(b"a\nb\\x41 \xff\xc3".as_slice())
        );
        for text in [b"\\".as_slice(), b"\\x", b"\\x4", b"a\\n", b"\\xg0"] {
            assert_eq!(unescaped(text), None, "{}", text.escape_ascii());
        }
    }
}
