//! Which options of a run the help of other commands shows: those that mean something there. The others are taken all the same, so that one
//! environment suits every command.

use clap::Arg;

const CONFIGURATION: &[&str] = &["config", "set", "json"];
const REDIS: &[&str] = &[
    "redis_url",
    "redis_host",
    "redis_port",
    "redis_db",
    "redis_username",
    "redis_stream",
    "redis_password",
    "redis_password_file",
    "redis_maxlen",
];
const PACE: &[&str] = &["max_events_per_second", "batch_size"];

/// Devices that are not there come, are told of as the filters have it, and are published.
pub(crate) fn to_a_simulation(arg: Arg) -> Arg {
    let own = &["count", "rate", "no_redis", "vendor_whitelist", "vendor_blacklist", "class_filter"];
    only(arg, &[own, CONFIGURATION, REDIS, PACE])
}

/// What a daemon would find here.
pub(crate) fn to_a_diagnosis(arg: Arg) -> Arg {
    only(arg, &[&["no_redis", "outbox"], CONFIGURATION, REDIS])
}

/// What lies in the outbox and in the helper's folder goes to Redis.
#[cfg(target_os = "linux")]
pub(crate) fn to_a_publication(arg: Arg) -> Arg {
    only(arg, &[&["timeout", "config", "set", "outbox", "outbox_fsync"], REDIS, PACE])
}

fn only(arg: Arg, shown: &[&[&str]]) -> Arg {
    let hidden = !shown.iter().any(|ids| ids.contains(&arg.get_id().as_str()));
    arg.hide(hidden)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn what_is_shown_is_an_option_of_each_command_that_shows_it() {
        let cases: [(&[&str], &[&[&str]]); 3] = [
            (&["run"], &[CONFIGURATION, REDIS, PACE]),
            (&["simulate"], &[CONFIGURATION, REDIS, PACE]),
            (&["doctor"], &[CONFIGURATION, REDIS]),
        ];
        for (path, lists) in cases {
            let command = Arguments::command();
            let command =
                path.iter().fold(&command, |command, name| command.find_subcommand(name).expect("a command"));
            for id in lists.iter().flat_map(|ids| ids.iter()) {
                let arg = command.get_arguments().find(|arg| arg.get_id() == *id);
                assert!(arg.is_some_and(|arg| !arg.is_hide_set()), "{id} of {path:?}");
            }
        }
    }
}
