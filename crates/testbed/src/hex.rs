//! Bytes written as hex digits, as the control socket carries them.

use crate::failure::Failure;

/// Decodes hex digits; blanks between bytes are allowed.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits
        .chunks(2)
        .map(|pair| match pair {
            &[high, low] => Some(value(high)? << 4 | value(low)?),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::refused(format!("{text:?} is not a row of hex bytes")))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decodes_bytes_and_refuses_halves() {
        assert_eq!(decode("12 fFa0").unwrap(), [0x12, 0xff, 0xa0]);
        assert!(decode("").unwrap().is_empty());
        assert!(decode("123").is_err());
        assert!(decode("zz").is_err());
    }
}
