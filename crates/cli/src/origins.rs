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
