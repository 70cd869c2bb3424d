//! Environment variables, read as OpenTelemetry's specification says: an empty one is not there, a bad one is told and passed over.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::shown;

/// Where variables come from, and what was wrong with them.
pub(super) struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable, warnings: Vec::new() }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The first of these variables that is set, by its name.
    pub(super) fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|name| self.text(name).map(|text| (*name, text)))
    }

    pub(super) fn warn(&mut self, name: &str, text: &str, expected: impl Display) {
        self.warnings.push(format!("{name} is {:?}: {expected}", shown(text)));
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        let Some(text) = self.text(name) else { return false };
        if text.eq_ignore_ascii_case("true") {
            return true;
        }
        if !text.eq_ignore_ascii_case("false") {
            self.warn(name, &text, "expected true or false, taken for false");
        }
        false
    }

    /// A number from `least` on.
    pub(super) fn number<T: FromStr + PartialOrd + Display + Copy>(
        &mut self,
        name: &str,
        least: T,
    ) -> Option<T> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(number) if number >= least => Some(number),
            _ => {
                self.warn(name, &text, format_args!("expected a number from {least} on, passed over"));
                None
            }
        }
    }

    pub(super) fn milliseconds(&mut self, name: &str, least: u32) -> Option<Duration> {
        self.number(name, least).map(|ms: u32| Duration::from_millis(ms.into()))
    }
}

/// `key=value,key=value`, both percent-decoded. What has no key or no sign is left out.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |part: &str| percent_decode_str(part.trim()).decode_utf8_lossy().into_owned();
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_what_is_none_is_left_out() {
        let expected = [("a", "1"), ("api-key", "x=y, z"), ("empty", "")];
        let found = pairs(" a = 1 ,api-key=x=y%2C%20z,nonsense,=5,empty=");
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_bad_is_told_and_passed_over() {
        let variable = |name: &str| {
            let text = match name {
                "ON" => "TRUE",
                "ODD" => "yes",
                "EMPTY" => " ",
                "SIZE" => "0",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let mut environment = Environment::new(&variable);
        assert_eq!(
            ["ON", "ODD", "EMPTY", "ABSENT"].map(|name| environment.flag(name)),
            [true, false, false, false]
        );
        assert_eq!(environment.number("SIZE", 1), None);
        assert_eq!(
            environment.warnings,
            [
                "ODD is \"yes\": expected true or false, taken for false",
                "SIZE is \"0\": expected a number from 1 on, passed over"
            ]
        );
    }
}
