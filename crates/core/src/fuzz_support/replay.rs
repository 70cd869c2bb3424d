//! The targets without libFuzzer: over all that is in the corpus, and over what becomes of it by damage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngSeed, TestError, TestRunner};

use super::{TARGETS, Target};

/// Damaged inputs for each case that a law of the unit tests gets.
const DAMAGED: u32 = 16;
/// Inputs that are drawn out, of each target.
const DRAWN_OUT: usize = 16;
/// Bytes of an input that libFuzzer makes.
const LONGEST: usize = 64 << 10;

/// `fuzz` in the checkout.
fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "fuzz"].iter().collect()
}

/// Inputs by the names of their files.
fn corpus(name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = folder().join("corpus").join(name);
    fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs::read(path).expect("an input")))
        .collect()
}

/// An input over and over: what takes its time with one of this length shows.
fn drawn_out(input: &[u8]) -> Vec<u8> {
    input.iter().copied().cycle().take(LONGEST).collect()
}

/// One thing that happens to an input.
#[derive(Clone, Debug)]
enum Damage {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    /// What follows is another input's end.
    Join(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || any::<Index>();
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..9),
        select(vec![
            "\0",
            "\n",
            "\"",
            "\\",
            "%00",
            "\u{1b}[",
            "é",
            "-1",
            "18446744073709551615",
            "null",
            "*",
            "{",
            "["
        ])
        .prop_map(|token| token.as_bytes().to_vec()),
    ];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (at(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1..64_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
        (at(), 1..256_usize).prop_map(|(at, count)| Damage::Repeat(at, count)),
        (at(), at()).prop_map(|(at, from)| Damage::Join(at, from)),
    ]
}

impl Damage {
    fn done_to(self, input: &mut Vec<u8>, others: &[Vec<u8>]) {
        // One place more than there are bytes.
        let place = |at: Index, input: &[u8]| at.index(input.len() + 1);
        match self {
            Self::Replace(at, byte) => {
                let at = place(at, input);
                input.splice(at..input.len().min(at + 1), [byte]);
            }
            Self::Insert(at, bytes) => {
                let at = place(at, input);
                input.splice(at..at, bytes);
            }
            Self::Remove(at, count) => {
                let at = place(at, input);
                input.drain(at..input.len().min(at + count));
            }
            Self::Repeat(at, count) => {
                let at = place(at, input);
                input.extend_from_within(at..input.len().min(at + count));
            }
            Self::Join(at, from) => {
                let other = from.get(others);
                input.truncate(place(at, input));
                input.extend_from_slice(&other[place(from, other)..]);
            }
        }
    }
}

/// The same inputs in every run, so that nothing fails today that did not fail yesterday; libFuzzer looks for others.
fn damage_all(name: &str, target: Target, inputs: &[Vec<u8>]) {
    let config = ProptestConfig::default();
    let cases = config.cases * DAMAGED;
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(8),
        failure_persistence: None,
        ..config
    });
    let damaged =
        (select(inputs.to_vec()), prop::collection::vec(damage(), 1..5)).prop_map(|(mut input, damages)| {
            for damage in damages {
                damage.done_to(&mut input, inputs);
            }
            input
        });
    let result = runner.run(&damaged, |input| {
        target(&input);
        Ok(())
    });
    if let Err(TestError::Fail(why, input)) = result {
        panic!("{name}: {why}: b\"{}\"", input.escape_ascii());
    }
}

fn replay(name: &str, target: Target) {
    let inputs = corpus(name);
    assert!(!inputs.is_empty(), "{name} has no corpus");
    for (path, input) in &inputs {
        // Shown where one fails.
        println!("{}", path.display());
        target(input);
    }
    for (path, input) in inputs.iter().step_by(inputs.len().div_ceil(DRAWN_OUT)) {
        println!("{}, over and over", path.display());
        target(&drawn_out(input));
    }
    damage_all(name, target, &inputs.into_values().collect::<Vec<_>>());
}

#[test]
fn every_input_of_the_corpus_and_what_damage_makes_of_it_keeps_the_laws() {
    let is_broken = |target: &&(&str, Target)| catch_unwind(|| replay(target.0, target.1)).is_err();
    let broken: Vec<_> = TARGETS.iter().filter(is_broken).map(|(name, _)| *name).collect();
    assert_eq!(broken, [""; 0], "what broke them is above");
}

#[test]
fn every_target_has_its_program() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("a manifest");
    let programs: Vec<&str> =
        manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(programs, TARGETS.map(|(name, _)| name));
    for name in programs {
        let program =
            fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).expect("a program");
        assert!(program.contains(&format!("fuzz_support::{name}(")), "{name} runs another target");
    }
}

#[test]
fn what_is_fuzzed_are_the_versions_that_are_shipped() {
    let packages = |folder: PathBuf| -> BTreeSet<String> {
        let lock = fs::read_to_string(folder.join("Cargo.lock")).expect("a lock file");
        lock.split("\n\n").filter_map(|package| Some(package.split_once("\nsource")?.0.to_owned())).collect()
    };
    let others = &packages(folder()) - &packages(folder().join(".."));
    let names: Vec<_> = others.iter().filter_map(|package| package.split('"').nth(1)).collect();
    assert_eq!(names, ["arbitrary", "jobserver", "libfuzzer-sys"], "libFuzzer itself, and nothing else");
}
