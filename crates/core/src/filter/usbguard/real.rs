//! The parser against USBGuard's own: both take a rule, or both refuse it.

use std::io::Write as _;
use std::ops::Range;
use std::process::{Command, Stdio};

use super::parser;

/// Where `scripts/setup/usbguard.sh` puts it.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cache/usbguard/usbguard-rule-parser");
const RULES: usize = 400;
const MUTATIONS_OF_EACH: usize = 2;

/// A generator whose numbers are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn one<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn is_once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

fn blank(numbers: &mut Numbers) -> &'static str {
    numbers.one(&[" ", " ", " ", "  ", "\t"])
}

fn text(numbers: &mut Numbers) -> String {
    let parts =
        ["", "a", "Disk 3.0", "1-2", "#", "'", "é", "{ }", ":", "\\\"", "\\\\", "\\x41", "\\xfF", "\t", "()"];
    let count = numbers.below(4);
    let text: String = (0..count).map(|_| numbers.one(&parts)).collect();
    format!("\"{text}\"")
}

fn device_id(numbers: &mut Numbers) -> String {
    numbers.one(&["1d6b:0002", "1D6B:*", "*:*", "ffff:FFFF", "0000:0000", "046d:c31c"]).to_owned()
}

fn interface(numbers: &mut Numbers) -> String {
    numbers.one(&["03:01:02", "08:*:*", "e0:01:*", "FF:fF:00", "00:00:00"]).to_owned()
}

fn condition(numbers: &mut Numbers) -> String {
    let conditions = [
        "true",
        "false",
        "true(x)",
        "false(\\))",
        "random",
        "random(0.25)",
        "random(.5)",
        "rule-applied",
        "rule-applied(00:10)",
        "rule-applied(90)",
        "rule-evaluated",
        "rule-evaluated(12:30)",
        "localtime(8:00)",
        "localtime(08:00-17:30)",
        "allowed-matches(1d6b:*)",
        "allowed-matches(name \"a\" if true)",
        "allowed-matches(with-interface one-of { 03:00:01 03:01:01 })",
    ];
    format!("{}{}", numbers.one(&["", "!"]), numbers.one(&conditions))
}

fn values(numbers: &mut Numbers, value: fn(&mut Numbers) -> String) -> String {
    if numbers.is_once_in(2) {
        return value(numbers);
    }
    let operators = ["", "", "all-of ", "one-of ", "none-of\t", "equals ", "equals-ordered  ", "match-all "];
    let mut set = format!("{}{{{}", numbers.one(&operators), numbers.one(&["", " "]));
    for at in 0..=numbers.below(3) {
        if at > 0 {
            set.push_str(blank(numbers));
        }
        set.push_str(&value(numbers));
    }
    set.push_str(numbers.one(&[" }", "}"]));
    set
}

fn attribute(numbers: &mut Numbers) -> String {
    let names = [
        "id",
        "hash",
        "parent-hash",
        "name",
        "serial",
        "via-port",
        "with-interface",
        "with-connect-type",
        "label",
        "if",
    ];
    let name = numbers.one(&names);
    let value = match name {
        "id" => device_id,
        "with-interface" => interface,
        "if" => condition,
        _ => text,
    };
    format!("{name}{}{}", blank(numbers), values(numbers, value))
}

fn rule(numbers: &mut Numbers) -> String {
    let mut rule = numbers.one(&["allow", "allow", "block", "reject", "device", "match"]).to_owned();
    if numbers.is_once_in(3) {
        rule = format!("{rule}{}{}", blank(numbers), device_id(numbers));
    }
    for _ in 0..numbers.below(4) {
        rule = format!("{rule}{}{}", blank(numbers), attribute(numbers));
    }
    if numbers.is_once_in(6) {
        rule.push_str(numbers.one(&["#", " # why \"", "# }"]));
    }
    rule
}

/// Deletes, repeats, inserts or exchanges something.
fn mutated(numbers: &mut Numbers, rule: &str) -> String {
    let characters: Vec<char> = rule.chars().collect();
    let at = numbers.below(characters.len());
    let end = (at + 1 + numbers.below(4)).min(characters.len());
    let put = |range: Range<usize>, text: &str| {
        let before = characters[..range.start].iter();
        before.copied().chain(text.chars()).chain(characters[range.end..].iter().copied()).collect()
    };
    let pieces = [
        "\"",
        "\\",
        "{",
        "}",
        "(",
        ")",
        "!",
        "#",
        ":",
        "*",
        " ",
        "\t",
        "0",
        "f",
        "x",
        "-",
        "\\n",
        "\\x4",
        "é",
        "\r",
        " name \"z\"",
        " id 1d6b:0002",
        " if true",
        "equals ",
        " key \"k\"",
    ];
    match numbers.below(5) {
        0 => put(at..at + 1, ""),
        1 => put(at..end, ""),
        2 => put(end..end, &characters[at..end].iter().collect::<String>()),
        3 => put(at..at, numbers.one(&pieces)),
        _ => put(at..at + 1, numbers.one(&pieces)),
    }
}

/// Where versions of USBGuard differ, or what its parser does rests on a mistake: blanks around a rule, which only later ones
/// take; and a third number in a time, which is read as seconds since 1970.
fn is_comparable(rule: &str) -> bool {
    let has_blanks_around = rule != rule.trim_matches([' ', '\t']);
    let has_blank_at_end_of_query = rule.contains(" )") || rule.contains("\t)");
    let has_seconds = rule.split("localtime(").skip(1).any(|rest| {
        rest.split(')').next().is_some_and(|range| range.split('-').any(|time| time.matches(':').count() > 1))
    });
    !rule.is_empty() && !has_blanks_around && !has_blank_at_end_of_query && !has_seconds
}

fn run(arguments: &[&str]) -> std::io::Result<std::process::Output> {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output()
}

/// Whether USBGuard's parser takes each of these. One process that starts the others: a child of this one has, until it is another
/// program, every file that other tests have locked.
fn taken_by_usbguard(rules: &[String]) -> Vec<bool> {
    let script = format!(
        "while IFS= read -r rule; do if '{PROGRAM}' -- \"$rule\" >/dev/null 2>&1 </dev/null; then echo taken; else echo refused; fi; done"
    );
    let mut shell = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell runs");
    let mut input = shell.stdin.take().expect("a pipe");
    let text = rules.join("\n") + "\n";
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = shell.wait_with_output().expect("the shell ends");
    writing.join().expect("no panic").expect("all is written");
    let answers: Vec<bool> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line == "taken").collect();
    assert_eq!(answers.len(), rules.len());
    answers
}

#[test]
fn both_take_a_rule_or_both_refuse_it() {
    if let Err(error) = run(&["--help"]) {
        eprintln!(
            "NOT COMPARED with USBGuard: {PROGRAM} cannot be run ({error}): sh scripts/setup/usbguard.sh puts it there"
        );
        return;
    }
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut rules = Vec::new();
    for _ in 0..RULES {
        let rule = rule(&mut numbers);
        for _ in 0..MUTATIONS_OF_EACH {
            rules.push(mutated(&mut numbers, &rule));
        }
        rules.push(rule);
    }
    let generated = rules.len();
    rules.retain(|rule| is_comparable(rule));
    let theirs = taken_by_usbguard(&rules);
    let mut taken = Vec::new();
    let mut differences = Vec::new();
    for (rule, theirs) in rules.iter().zip(theirs) {
        let ours = parser::rule(rule);
        if theirs != ours.is_ok() {
            differences
                .push(format!("USBGuard {}: {rule:?}, {ours:?}", if theirs { "takes" } else { "refuses" }));
        } else if theirs {
            taken.push(rule.as_str());
        }
    }
    eprintln!(
        "{generated} rules, {} compared: {} taken by both, {} refused by both, {} differences",
        rules.len(),
        taken.len(),
        rules.len() - taken.len() - differences.len(),
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(
        taken.len() > RULES / 4 && rules.len() - taken.len() > RULES / 4,
        "both outcomes are to be compared"
    );
    as_a_file(&taken);
}

/// What is taken line by line is taken as the file of a policy, too.
fn as_a_file(rules: &[&str]) {
    let path = std::env::temp_dir().join(format!("usbguard-rules-{}.conf", std::process::id()));
    std::fs::write(&path, rules.join("\n")).expect("a file");
    let output = run(&["-f", path.to_str().expect("UTF-8")]);
    std::fs::remove_file(&path).expect("the file is removed");
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = String::from_utf8_lossy(&output.stdout);
    assert_eq!(written.lines().filter(|line| line.starts_with("OUTPUT: ")).count(), rules.len());
}
