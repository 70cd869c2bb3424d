//! The grammar of a rule.
//!
//! It is that of USBGuard 1.1, and as in later versions blanks may stand before and after a rule. One pass, no turning back;
//! the query of a condition is the only thing that nests, and it does so once.

use super::condition;
use super::lexer::{Fault, Lexer, Number};
use super::rule::{Attributes, DeviceIdPattern, InterfacePattern, Rule, Target};
use super::set::{Operator, Set};

/// The rule of a line, or `None` where it has only a comment or nothing.
pub(super) fn rule(line: &str) -> Result<Option<Rule>, Fault> {
    let mut lexer = Lexer::new(line);
    lexer.skip_blanks();
    if lexer.is_done() {
        return Ok(None);
    }
    let start = lexer;
    let Some(target) = Target::named(lexer.take_word()) else {
        return Err(start.fault("a target: allow, block or reject"));
    };
    let mut rule = Rule { target, attributes: Attributes::default(), conditions: None };
    let is_apart = lexer.skip_blanks();
    take_specification(&mut lexer, &mut rule, is_apart, false)?;
    Ok(Some(rule))
}

/// Checks what `allowed-matches` asks for: a rule without its target.
pub(super) fn query(lexer: &mut Lexer<'_>) -> Result<(), Fault> {
    lexer.skip_blanks();
    if lexer.rest().is_empty() {
        return Err(lexer.fault("a device id or an attribute"));
    }
    let target = Target::Match;
    let mut rule = Rule { target, attributes: Attributes::default(), conditions: None };
    take_specification(lexer, &mut rule, true, true)
}

/// All that follows a target. A device id is one without the word `id` only at the beginning.
fn take_specification(
    lexer: &mut Lexer<'_>,
    rule: &mut Rule,
    mut is_apart: bool,
    is_in_query: bool,
) -> Result<(), Fault> {
    let mut is_first = true;
    while !lexer.is_done() {
        if !is_apart {
            return Err(lexer.fault("a blank, a comment or the end"));
        }
        if is_first && lexer.token().contains(':') {
            rule.attributes.id = Some(single(take_device_id(lexer)?));
        } else {
            take_attribute(lexer, rule, is_in_query)?;
        }
        is_first = false;
        is_apart = lexer.skip_blanks();
    }
    Ok(())
}

fn take_attribute(lexer: &mut Lexer<'_>, rule: &mut Rule, is_in_query: bool) -> Result<(), Fault> {
    let start = *lexer;
    let attributes = &mut rule.attributes;
    match lexer.take_word() {
        "id" => take_once(&mut attributes.id, start, lexer, take_device_id),
        "hash" => take_once(&mut attributes.hash, start, lexer, take_text),
        "parent-hash" => take_once(&mut attributes.parent_hash, start, lexer, take_text),
        "name" => take_once(&mut attributes.name, start, lexer, take_text),
        "serial" => take_once(&mut attributes.serial, start, lexer, take_text),
        "via-port" => take_once(&mut attributes.via_port, start, lexer, take_text),
        "with-interface" => take_once(&mut attributes.with_interface, start, lexer, take_interface),
        "with-connect-type" => {
            take_once(&mut attributes.with_connect_type, start, lexer, take_text)
        }
        // The one that USBGuard takes more than once.
        "label" => take_set(lexer, take_text).map(drop),
        "if" => {
            take_once(&mut rule.conditions, start, lexer, |lexer| condition::take(lexer, is_in_query))
        }
        _ => Err(start.fault(
            "an attribute: id, hash, parent-hash, name, serial, via-port, with-interface, with-connect-type, label or if",
        )),
    }
}

fn take_once<T>(
    attribute: &mut Option<Set<T>>,
    start: Lexer<'_>,
    lexer: &mut Lexer<'_>,
    take_value: impl FnMut(&mut Lexer<'_>) -> Result<T, Fault>,
) -> Result<(), Fault> {
    if attribute.is_some() {
        return Err(start.fault("no attribute twice in a rule"));
    }
    *attribute = Some(take_set(lexer, take_value)?);
    Ok(())
}

/// One value, or any number in braces with an operator before them.
fn take_set<T>(
    lexer: &mut Lexer<'_>,
    mut take_value: impl FnMut(&mut Lexer<'_>) -> Result<T, Fault>,
) -> Result<Set<T>, Fault> {
    if !lexer.skip_blanks() {
        return Err(lexer.fault("a blank"));
    }
    let mut after_operator = *lexer;
    let operator = Operator::named(after_operator.take_word());
    if operator.is_some() {
        *lexer = after_operator;
        if !lexer.skip_blanks() {
            return Err(lexer.fault("a blank"));
        }
    }
    if lexer.take('{') {
        let mut values = Vec::new();
        lexer.skip_blanks();
        loop {
            values.push(take_value(lexer)?);
            let is_apart = lexer.skip_blanks();
            if lexer.take('}') {
                return Ok(Set { operator: operator.unwrap_or(Operator::Equals), values });
            }
            if !is_apart {
                return Err(lexer.fault("a blank or }"));
            }
        }
    }
    if operator.is_some() {
        return Err(lexer.fault("{ after an operator"));
    }
    take_value(lexer).map(single)
}

fn single<T>(value: T) -> Set<T> {
    Set { operator: Operator::Equals, values: vec![value] }
}

fn take_text(lexer: &mut Lexer<'_>) -> Result<Vec<u8>, Fault> {
    lexer.take_quoted()
}

fn take_device_id(lexer: &mut Lexer<'_>) -> Result<DeviceIdPattern, Fault> {
    let start = *lexer;
    device_id(lexer).ok_or_else(|| start.fault("a device id, such as 1d6b:0002, 1d6b:* or *:*"))
}

fn device_id(lexer: &mut Lexer<'_>) -> Option<DeviceIdPattern> {
    let vendor = lexer.take_number(4)?;
    let product = take_further_number(lexer, 4)?;
    match (vendor, product) {
        (Number::Any, Number::Any) => Some(DeviceIdPattern::Any),
        (Number::Is(vendor), Number::Any) => Some(DeviceIdPattern::Vendor(vendor)),
        (Number::Is(vendor), Number::Is(product)) => Some(DeviceIdPattern::Product(vendor, product)),
        (Number::Any, Number::Is(_)) => None,
    }
}

fn take_interface(lexer: &mut Lexer<'_>) -> Result<InterfacePattern, Fault> {
    let start = *lexer;
    interface(lexer).ok_or_else(|| start.fault("an interface, such as 03:01:02, 03:01:* or 03:*:*"))
}

fn interface(lexer: &mut Lexer<'_>) -> Option<InterfacePattern> {
    let class = byte(lexer.take_number(2)?)?;
    let subclass = take_further_number(lexer, 2)?;
    let protocol = take_further_number(lexer, 2)?;
    match (byte(subclass), byte(protocol)) {
        (None, None) => Some(InterfacePattern::Class(class)),
        (Some(subclass), None) => Some(InterfacePattern::Subclass(class, subclass)),
        (Some(subclass), Some(protocol)) => Some(InterfacePattern::Protocol(class, subclass, protocol)),
        (None, Some(_)) => None,
    }
}

fn take_further_number(lexer: &mut Lexer<'_>, digits: usize) -> Option<Number> {
    lexer.take(':').then(|| lexer.take_number(digits))?
}

fn byte(number: Number) -> Option<u8> {
    match number {
        Number::Is(number) => u8::try_from(number).ok(),
        Number::Any => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Decision;
    use super::*;

    #[test]
    fn a_rule_is_read_with_all_its_attributes() {
        let line = "\treject 1050:0011  name one-of {\"a\" \"b\"} serial \"1\" via-port \"1-2\" hash \"h\" \
                    parent-hash { \"p\" } with-interface all-of { 08:*:* 03:00:* 03:01:02 } \
                    with-connect-type \"hotplug\" label \"x\" label { \"y\" } if { true !false }# why";
        let rule = rule(line).expect("no fault").expect("a rule");
        assert_eq!(rule.target, Target::Decision(Decision::Reject));
        let text = |value: &str| single(value.as_bytes().to_vec());
        let attributes = Attributes {
            id: Some(single(DeviceIdPattern::Product(0x1050, 0x11))),
            hash: Some(text("h")),
            parent_hash: Some(text("p")),
            name: Some(Set { operator: Operator::OneOf, values: vec![b"a".to_vec(), b"b".to_vec()] }),
            serial: Some(text("1")),
            via_port: Some(text("1-2")),
            with_interface: Some(Set {
                operator: Operator::AllOf,
                values: vec![
                    InterfacePattern::Class(8),
                    InterfacePattern::Subclass(3, 0),
                    InterfacePattern::Protocol(3, 1, 2),
                ],
            }),
            with_connect_type: Some(text("hotplug")),
        };
        assert_eq!(rule.attributes, attributes);
        let conditions = rule.conditions.expect("conditions");
        let values: Vec<_> = conditions.values.iter().map(condition::Condition::value).collect();
        assert_eq!(values, [Some(true), Some(true)]);
    }

    #[test]
    fn a_line_may_have_no_rule() {
        for line in ["", " \t", "# allow", "  # allow \"", "#\r"] {
            assert_eq!(rule(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn a_device_id_is_written_in_two_ways() {
        for (line, id) in [
            ("allow 1d6B:0002", DeviceIdPattern::Product(0x1d6b, 2)),
            ("allow id 1d6b:0002#", DeviceIdPattern::Product(0x1d6b, 2)),
            ("allow 1d6b:*", DeviceIdPattern::Vendor(0x1d6b)),
            ("allow id {*:*}", DeviceIdPattern::Any),
        ] {
            let rule = rule(line).expect("no fault").expect("a rule");
            assert_eq!(rule.attributes.id, Some(single(id)), "{line}");
        }
    }

    #[test]
    fn a_fault_says_what_was_found_and_what_was_expected() {
        for (line, begins) in [
            ("alow", "column 1: found \"alow\", expected a target"),
            ("allow\r", "column 6: found \"\\r\", expected a blank"),
            ("allow{", "column 6: found \"{\", expected a blank"),
            ("allow { 1d6b:* }", "column 7: found \"{\", expected an attribute"),
            ("allow 1234:123", "column 7: found \"1234:123\", expected a device id"),
            ("allow *:1234", "column 7: found \"*:1234\", expected a device id"),
            ("allow 1234:56789", "column 16: found \"9\", expected a blank"),
            ("allow 1234:5678 id 1234:5678", "column 17: found \"id\", expected no attribute twice"),
            ("allow name \"a\" name \"b\"", "column 16: found \"name\", expected no attribute twice"),
            ("allow name", "column 11: found the end of the line, expected a blank"),
            ("allow name ", "column 12: found the end of the line, expected a text"),
            ("allow name \"a", "column 14: found the end of the line, expected the closing"),
            ("allow name \"a\"serial \"b\"", "column 15: found \"serial\", expected a blank"),
            ("allow name { }", "column 14: found \"}\", expected a text"),
            ("allow name {\"a\"\"b\"}", "column 16: found \"\\\"b\\\"}\", expected a blank or }"),
            ("allow name one-of \"a\"", "column 19: found \"\\\"a\\\"\", expected {"),
            ("allow name one-of{ \"a\" }", "column 18: found \"{\", expected a blank"),
            ("allow with-interface *:*:*", "column 22: found \"*:*:*\", expected an interface"),
            ("allow with-interface 03:*:01", "column 22: found \"03:*:01\", expected an interface"),
            ("allow key \"a\"", "column 7: found \"key\", expected an attribute"),
            ("allow if true if true", "column 15: found \"if\", expected no attribute twice"),
        ] {
            let sentence = rule(line).expect_err(line).sentence(1);
            let begins = format!("line 1, {begins}");
            assert!(sentence.starts_with(&begins), "{line}: {sentence}");
        }
    }
}
