//! Which options were given, and which come from a variable.

use std::collections::HashMap;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::setting::Origin;

/// Where each option of a command comes from, by its name within clap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(HashMap<String, Origin>);

impl Origins {
    /// Those of a command that has been read.
    pub(crate) fn learn(command: &clap::Command, matches: &ArgMatches) -> Self {
        let mut origins = HashMap::new();
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let origin = match matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id)) {
                Some(ValueSource::CommandLine) => {
                    argument.get_long().map(|long| format!("--{long}")).map(Origin::Option)
                }
                Some(ValueSource::EnvVariable) => {
                    argument.get_env().map(|name| Origin::Environment(name.to_string_lossy().into_owned()))
                }
                _ => None,
            };
            origins.extend(origin.map(|origin| (id.to_owned(), origin)));
        }
        Self(origins)
    }

    pub(crate) fn of(&self, option: &str) -> Origin {
        self.0.get(option).cloned().unwrap_or(Origin::Default)
    }

    /// Of the options that were chosen, the one that goes before the others: typed before variables, then the earlier here.
    pub(crate) fn strongest<'a>(&self, options: &[(&'a str, bool)]) -> Option<&'a str> {
        let chosen = options.iter().filter(|(_, is_chosen)| *is_chosen).map(|(option, _)| *option);
        // The first of several that are equal, where `max_by_key` gives the last.
        chosen.rev().max_by_key(|option| self.of(option).is_option())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_typed_goes_before_a_variable_and_of_equals_the_first() {
        let typed = |name: &str| (name.to_owned(), Origin::Option(format!("--{name}")));
        let set = |name: &str| (name.to_owned(), Origin::Environment(name.to_uppercase()));
        let strongest = |origins: [(String, Origin); 2]| {
            Origins(HashMap::from(origins)).strongest(&[("json", true), ("tree", false), ("columns", true)])
        };
        assert_eq!(strongest([set("json"), typed("columns")]), Some("columns"));
        assert_eq!(strongest([typed("json"), set("columns")]), Some("json"));
        assert_eq!(strongest([set("json"), set("columns")]), Some("json"));
        assert_eq!(
            strongest([typed("tree"), set("columns")]),
            Some("json"),
            "a switch that is off chooses nothing"
        );
        assert_eq!(Origins::default().strongest(&[("json", false)]), None);
    }
}
