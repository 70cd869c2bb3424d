//! Options and variables that are on or off. What is neither is refused: a misspelt word must not switch anything.

/// Reads a value. An empty one is no, as a variable is unset in a compose file.
///
/// # Errors
/// What can be said instead.
pub(crate) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "t" | "on" | "1" => Ok(true),
        "" | "no" | "n" | "false" | "f" | "off" | "0" => Ok(false),
        _ => Err("expected yes or no (or true, false, on, off, 1, 0)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_is_refused() {
        for (text, expected) in [("Yes", true), ("TRUE", true), ("1", true), ("off", false), ("", false)] {
            assert_eq!(yes_or_no(text), Ok(expected), "{text}");
        }
        for text in ["flase", "nope", "2", "yes!"] {
            assert!(yes_or_no(text).is_err(), "{text}");
        }
    }
}
