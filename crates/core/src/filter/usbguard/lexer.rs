//! Reads one line of a policy from left to right, each character once.

/// What is wrong with a line, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    column: usize,
    found: String,
    expected: String,
}

impl Fault {
    pub(super) fn sentence(&self, line: usize) -> String {
        let Self { column, found, expected } = self;
        format!("line {line}, column {column}: found {found}, expected {expected}")
    }
}

/// A hexadecimal number of fixed width, or the asterisk that stands for every number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Any,
    Is(u16),
}

/// A place in a line. A copy marks the place for a fault that is found out later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'a> {
    line: &'a str,
    at: usize,
    end: usize,
}

/// So much of what was found is cited.
const CITED_CHARACTERS: usize = 32;

impl<'a> Lexer<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self::starting_at(line, 0)
    }

    /// Starts at what [`Self::offset`] was.
    pub(super) fn starting_at(line: &'a str, at: usize) -> Self {
        Self { line, at, end: line.len() }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.line[self.at..self.end]
    }

    /// Whether a comment follows, or nothing.
    pub(super) fn is_done(&self) -> bool {
        self.rest().is_empty() || self.rest().starts_with('#')
    }

    /// A fault that cites what is here.
    pub(super) fn fault(&self, expected: impl Into<String>) -> Fault {
        let found = if self.rest().is_empty() {
            let whole = if self.end == self.line.len() { "line" } else { "query" };
            format!("the end of the {whole}")
        } else if self.token().is_empty() {
            "a blank".to_owned()
        } else {
            format!("{:?}", self.token().chars().take(CITED_CHARACTERS).collect::<String>())
        };
        Fault { column: self.line[..self.at].chars().count() + 1, found, expected: expected.into() }
    }

    /// What is here up to the next blank.
    pub(super) fn token(&self) -> &'a str {
        self.rest().split(is_blank).next().unwrap_or_default()
    }

    pub(super) fn skip_blanks(&mut self) -> bool {
        let before = self.at;
        self.at = self.end - self.rest().trim_start_matches(is_blank).len();
        self.at > before
    }

    pub(super) fn take(&mut self, character: char) -> bool {
        let is_here = self.rest().starts_with(character);
        if is_here {
            self.at += character.len_utf8();
        }
        is_here
    }

    /// Takes letters, digits and hyphens: what every keyword of the language is made of.
    pub(super) fn take_word(&mut self) -> &'a str {
        let rest = self.rest();
        let is_outside = |character: char| !character.is_ascii_alphanumeric() && character != '-';
        let word = &rest[..rest.find(is_outside).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    pub(super) fn take_number(&mut self, digits: usize) -> Option<Number> {
        if self.take('*') {
            return Some(Number::Any);
        }
        let text = self.rest().get(..digits)?;
        // from_str_radix would take a sign.
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += digits;
        u16::from_str_radix(text, 16).ok().map(Number::Is)
    }

    /// A text in double quotes. It need not be UTF-8: an escape writes a byte.
    pub(super) fn take_quoted(&mut self) -> Result<Vec<u8>, Fault> {
        if !self.take('"') {
            return Err(self.fault("a text in double quotes"));
        }
        let mut text = Vec::new();
        loop {
            let rest = self.rest();
            let plain = &rest[..rest.find(['"', '\\', '\r']).unwrap_or(rest.len())];
            text.extend_from_slice(plain.as_bytes());
            self.at += plain.len();
            if self.take('"') {
                return Ok(text);
            }
            text.push(self.take_escaped()?);
        }
    }

    fn take_escaped(&mut self) -> Result<u8, Fault> {
        let start = *self;
        if !self.take('\\') {
            return Err(start.fault("the closing double quote"));
        }
        if self.take('"') {
            return Ok(b'"');
        }
        if self.take('\\') {
            return Ok(b'\\');
        }
        self.take_byte()
            .ok_or_else(|| start.fault(r#"one of the escapes \", \\ and \x with two hexadecimal digits"#))
    }

    fn take_byte(&mut self) -> Option<u8> {
        if !self.take('x') || self.rest().starts_with('*') {
            return None;
        }
        match self.take_number(2)? {
            Number::Is(number) => u8::try_from(number).ok(),
            Number::Any => None,
        }
    }

    /// What is between the parentheses after the name of a condition. Its escapes only keep a parenthesis from closing it: they
    /// stay as they are written.
    pub(super) fn take_parameter(&mut self) -> Result<Option<Self>, Fault> {
        if !self.take('(') {
            return Ok(None);
        }
        let start = *self;
        loop {
            let rest = self.rest();
            self.at += rest.find([')', '\\', '\r']).unwrap_or(rest.len());
            let end = self.at;
            if self.take(')') {
                let parameter = Self { end, ..start };
                return if parameter.rest().is_empty() {
                    Err(start.fault("a parameter between the parentheses"))
                } else {
                    Ok(Some(parameter))
                };
            }
            self.skip_escaped()?;
        }
    }

    fn skip_escaped(&mut self) -> Result<(), Fault> {
        let start = *self;
        if !self.take('\\') {
            return Err(start.fault("the closing parenthesis"));
        }
        let is_escape = |character: char| character.is_ascii_digit() || "abfnrtv\\')".contains(character);
        if self.rest().starts_with(is_escape) {
            self.at += 1;
            return Ok(());
        }
        match self.take_byte() {
            Some(_) => Ok(()),
            None => {
                Err(start.fault(r"one of the escapes \), \\, \x with two hexadecimal digits and those of C"))
            }
        }
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(fault: &Fault) -> String {
        fault.sentence(1)
    }

    #[test]
    fn a_text_is_unescaped_to_bytes() {
        for (written, read) in [
            (r#""""#, Ok(Vec::new())),
            (r#""a # b" c"#, Ok(b"a # b".to_vec())),
            (r#""\x41\"\\""#, Ok(br#"A"\"#.to_vec())),
            (r#""\xff\x00""#, Ok(vec![0xff, 0])),
            ("\"\u{e9}\t\"", Ok("\u{e9}\t".as_bytes().to_vec())),
            (r#""a\n""#, Err(3)),
            (r#""\x4""#, Err(2)),
            (r#""\x*""#, Err(2)),
            (r#""\x+1""#, Err(2)),
            ("\"\u{e9}\u{e9}", Err(4)),
            ("\"a\rb\"", Err(3)),
            (r"a", Err(1)),
        ] {
            let found = Lexer::new(written).take_quoted();
            assert_eq!(found.map_err(|fault| fault.column), read, "{written}");
        }
    }

    #[test]
    fn a_parameter_ends_at_the_first_parenthesis_that_is_not_escaped() {
        for (written, read) in [
            ("(a b)c", Ok(Some("a b"))),
            ("a", Ok(None)),
            (r"(\)))", Ok(Some(r"\)"))),
            (r"(\\))", Ok(Some(r"\\"))),
            (r"(\12\x4f\n)", Ok(Some(r"\12\x4f\n"))),
            ("()", Err(2)),
            ("(", Err(2)),
            (r"(\q)", Err(2)),
            (r"(\x4)", Err(2)),
            (r"(a\", Err(3)),
        ] {
            let found = Lexer::new(written).take_parameter();
            let found = found.map(|parameter| parameter.map(|parameter| parameter.rest()));
            assert_eq!(found.map_err(|fault| fault.column), read, "{written}");
        }
    }

    #[test]
    fn a_number_has_all_its_digits() {
        for (written, digits, read) in [
            ("1d6B:", 4, Some(Number::Is(0x1d6b))),
            ("*:", 4, Some(Number::Any)),
            ("1d6", 4, None),
            ("+123", 4, None),
            ("0\u{e9}", 2, None),
            ("ff0", 2, Some(Number::Is(0xff))),
        ] {
            assert_eq!(Lexer::new(written).take_number(digits), read, "{written}");
        }
    }

    #[test]
    fn a_fault_says_where_and_what_was_found() {
        let mut lexer = Lexer::new("\u{e9} b\rc  ");
        assert_eq!(sentence(&lexer.fault("x")), "line 1, column 1: found \"\u{e9}\", expected x");
        lexer.take('\u{e9}');
        assert_eq!(sentence(&lexer.fault("x")), "line 1, column 2: found a blank, expected x");
        assert!(lexer.skip_blanks());
        assert_eq!(sentence(&lexer.fault("x")), "line 1, column 3: found \"b\\rc\", expected x");
        let end = Lexer { at: lexer.end, ..lexer };
        assert_eq!(sentence(&end.fault("x")), "line 1, column 8: found the end of the line, expected x");
    }
}
