//! Environment variables that look like ours and are none: whoever misspells one must hear of it.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};

use crate::arguments::Arguments;

const PREFIX: &str = "USB_DAEMON_";
/// So many letters are wrong at most where one of ours was meant. Others may have variables of their own with this prefix.
const WRONG: usize = 2;

/// A warning for each variable that is nearly one of ours.
pub(crate) fn misspelt() -> Vec<String> {
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let ours: Vec<String> = ours.filter(|name| name.starts_with(PREFIX)).collect();
    if ours.is_empty() {
        // All commands with all of their options are not put together for nothing.
        return Vec::new();
    }
    let mut known = BTreeSet::new();
    collect(&Arguments::command(), &mut known);
    ours.into_iter()
        .filter_map(|name| {
            let meant = meant(&name, &known)?;
            Some(format!("the variable {name} is not known and has no effect: is {meant} meant?"))
        })
        .collect()
}

fn collect(command: &Command, known: &mut BTreeSet<String>) {
    let names = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(names.map(|name| name.to_string_lossy().into_owned()));
    for command in command.get_subcommands() {
        collect(command, known);
    }
}

fn meant<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let rest = name.strip_prefix(PREFIX).filter(|_| !known.contains(name))?;
    if let Some(bare) = known.get(rest) {
        return Some(bare);
    }
    let distance = |other: &&String| strsim::damerau_levenshtein(name, other);
    known.iter().min_by_key(distance).filter(|nearest| distance(nearest) <= WRONG).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_nearly_one_of_ours_is_told_with_the_one_that_was_meant() {
        let mut known = BTreeSet::new();
        collect(&Arguments::command(), &mut known);
        for (name, expected) in [
            ("USB_DAEMON_HTTP_TOKN", Some("USB_DAEMON_HTTP_TOKEN")),
            ("USB_DAEMON_REDIS_HOST", Some("REDIS_HOST")),
            ("USB_DAEMON_HTTP_TOKEN", None),
            ("USB_DAEMON_DRY_RUN", None),
            ("USB_DAEMON_SOMEBODY_ELSES", None),
            ("REDIS_HOTS", None),
        ] {
            assert_eq!(meant(name, &known), expected, "{name}");
        }
    }
}
