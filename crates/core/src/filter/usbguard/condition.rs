//! Conditions: what a rule asks of the moment and of other devices, once it matches.

use super::lexer::{Fault, Lexer};
use super::parser;

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// Where it is in its line, for a fault.
    pub(super) offset: usize,
    pub(super) kind: Kind,
    is_negated: bool,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fixed(bool),
    AllowedMatches,
    LocalTime,
    Random,
    RuleApplied,
    RuleEvaluated,
}

const NAMES: [(&str, Kind); 7] = [
    ("allowed-matches", Kind::AllowedMatches),
    ("localtime", Kind::LocalTime),
    ("rule-applied", Kind::RuleApplied),
    ("rule-evaluated", Kind::RuleEvaluated),
    ("random", Kind::Random),
    ("true", Kind::Fixed(true)),
    ("false", Kind::Fixed(false)),
];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl Condition {
    /// Its value, where that does not depend on what a filter of events is not told.
    pub(super) fn value(&self) -> Option<bool> {
        match self.kind {
            Kind::Fixed(value) => Some(value != self.is_negated),
            _ => None,
        }
    }
}

/// Takes a condition. What is in the query of another has no parameter: the first parenthesis would have closed the query.
pub(super) fn take(lexer: &mut Lexer<'_>, is_in_query: bool) -> Result<Condition, Fault> {
    let offset = lexer.offset();
    let is_negated = lexer.take('!');
    let start = *lexer;
    let word = lexer.take_word();
    let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == word) else {
        let names = NAMES.map(|(name, _)| name).join(", ");
        return Err(start.fault(format!("a condition, which is one of {names}")));
    };
    if is_in_query && lexer.rest().starts_with('(') {
        return Err(lexer.fault("no parameter in a query"));
    }
    let parameter = lexer.take_parameter()?;
    check_parameter(*kind, parameter, *lexer)?;
    Ok(Condition { offset, kind: *kind, is_negated })
}

/// As USBGuard does, only the beginning of a number or a time is looked at.
fn check_parameter(kind: Kind, parameter: Option<Lexer<'_>>, after: Lexer<'_>) -> Result<(), Fault> {
    let Some(mut parameter) = parameter else {
        return match kind {
            Kind::AllowedMatches => Err(after.fault("a query in parentheses")),
            Kind::LocalTime => Err(after.fault("a range of times in parentheses")),
            _ => Ok(()),
        };
    };
    let text = parameter.rest();
    let (is_right, expected) = match kind {
        Kind::Fixed(_) => return Ok(()),
        Kind::AllowedMatches => return parser::query(&mut parameter),
        Kind::LocalTime => (is_range(text), "a range of times, such as 08:00-17:30"),
        Kind::Random => (is_number(text), "a probability, such as 0.5"),
        Kind::RuleApplied | Kind::RuleEvaluated => (is_duration(text), "a duration, such as 00:30"),
    };
    if is_right { Ok(()) } else { Err(parameter.fault(expected)) }
}

fn is_range(text: &str) -> bool {
    let (begin, end) = text.split_once('-').unwrap_or((text, ""));
    let Some(begin) = minute_of_day(begin) else { return false };
    end.is_empty() || minute_of_day(end).is_some_and(|end| begin <= end)
}

fn is_duration(text: &str) -> bool {
    text.starts_with(|character: char| character.is_ascii_digit()) || minute_of_day(text).is_some()
}

fn is_number(text: &str) -> bool {
    let text = text.trim_start();
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = text.strip_prefix('.').unwrap_or(text);
    digits.starts_with(|character: char| character.is_ascii_digit())
        || ["inf", "nan"]
            .iter()
            .any(|word| text.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word)))
}

/// The minutes since midnight of the time that a text begins with.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, text) = take_number(text, 23)?;
    let (minute, _) = take_number(text.strip_prefix(':')?, 59)?;
    Some(hour * 60 + minute)
}

/// At most two digits; the second only where the number may be so great.
fn take_number(text: &str, most: u32) -> Option<(u32, &str)> {
    let text = text.trim_start_matches(' ');
    let digit =
        |at: usize| text.as_bytes().get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0');
    let first = u32::from(digit(0)?);
    let (number, length) = match digit(1) {
        Some(second) if first * 10 <= most => (first * 10 + u32::from(second), 2),
        _ => (first, 1),
    };
    (number <= most).then(|| (number, &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(written: &str) -> Result<Condition, Fault> {
        take(&mut Lexer::new(written), false)
    }

    #[test]
    fn what_is_fixed_has_a_value_and_the_others_have_none() {
        for (written, kind, value) in [
            ("true", Kind::Fixed(true), Some(true)),
            ("!true", Kind::Fixed(true), Some(false)),
            ("false", Kind::Fixed(false), Some(false)),
            ("!false(x)", Kind::Fixed(false), Some(true)),
            ("random", Kind::Random, None),
            ("!random(0.1666)", Kind::Random, None),
            ("rule-applied", Kind::RuleApplied, None),
            ("rule-applied(00:10)", Kind::RuleApplied, None),
            ("rule-evaluated(90)", Kind::RuleEvaluated, None),
            ("localtime(1:00)", Kind::LocalTime, None),
            ("localtime(08:00-17:30)", Kind::LocalTime, None),
            ("allowed-matches(1d6b:* if true)", Kind::AllowedMatches, None),
            ("!allowed-matches(name \"\\x41\" # comment)", Kind::AllowedMatches, None),
        ] {
            let condition = taken(written).expect(written);
            assert_eq!((condition.kind, condition.value()), (kind, value), "{written}");
        }
    }

    #[test]
    fn a_fault_is_where_the_condition_goes_wrong() {
        for (written, begins) in [
            ("", "column 1: found the end of the line, expected a condition"),
            ("!!true", "column 2: found \"!true\", expected a condition, which is one of allowed-matches"),
            ("TRUE", "column 1: found \"TRUE\""),
            ("true()", "column 6: found \")\", expected a parameter"),
            ("localtime", "column 10: found the end of the line, expected a range of times"),
            ("localtime(24:00)", "column 11: found \"24:00\", expected a range of times"),
            ("localtime(10:00-09:00)", "column 11: found \"10:00-09:00\", expected a range of times"),
            ("random(x)", "column 8: found \"x\", expected a probability"),
            ("random(.)", "column 8: found \".\", expected a probability"),
            ("rule-applied( 1)", "column 14: found a blank, expected a duration"),
            ("rule-evaluated(x)", "column 16: found \"x\", expected a duration"),
            ("allowed-matches", "column 16: found the end of the line, expected a query"),
            ("allowed-matches(x)", "column 17: found \"x\", expected an attribute"),
            ("allowed-matches(name)", "column 21: found the end of the query, expected a blank"),
            (
                "allowed-matches(if random(0.5))",
                "column 26: found \"(0.5\", expected no parameter in a query",
            ),
        ] {
            let sentence = taken(written).expect_err(written).sentence(1);
            let begins = format!("line 1, {begins}");
            assert!(sentence.starts_with(&begins), "{written}: {sentence}");
        }
    }
}
