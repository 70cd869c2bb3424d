//! `usb-bed enter`: becomes a command in an open bed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Gid, Signal, Uid};
use rustix::thread::LinkNameSpaceType;
use serde_json::json;

use crate::control;
use crate::failure::{Failure, While};
use crate::namespace::Namespaces;
use crate::options::EnterOptions;

const USER: (&str, LinkNameSpaceType) = ("user", LinkNameSpaceType::User);
const MOUNT: (&str, LinkNameSpaceType) = ("mnt", LinkNameSpaceType::Mount);
const NETWORK: (&str, LinkNameSpaceType) = ("net", LinkNameSpaceType::Network);

/// Joins the bed and executes the command in place of this process, so that its PID is the caller's to signal.
pub(crate) fn run(options: &EnterOptions) -> Result<ExitCode, Failure> {
    die_with_parent()?;
    let (bed, deaf) = find_bed(options)?;
    let deaf = deaf.filter(|_| !options.hearing);
    let directory = std::env::current_dir().during("current directory")?;
    let user = options.user.as_deref().map(UserIds::find).transpose()?;

    let hearing = if deaf.is_some() { [USER, MOUNT].as_slice() } else { &[USER, MOUNT, NETWORK] };
    let spaces = Namespaces::of(bed, hearing)?;
    let deaf_spaces = deaf.map(|deaf| Namespaces::of(deaf, &[USER, NETWORK])).transpose()?;
    spaces.join()?;
    deaf_spaces.iter().try_for_each(Namespaces::join)?;

    // Joining a mount namespace moves to its root directory.
    std::env::set_current_dir(&directory).on(&directory)?;
    if let Some(user) = user {
        user.become_only()?;
    }
    // Once more: a change of user clears it.
    die_with_parent()?;
    let (program, arguments) =
        options.command.split_first().ok_or_else(|| Failure::refused("enter needs a command"))?;
    Err(Command::new(program).args(arguments).exec()).on(program)
}

fn die_with_parent() -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during("parent death signal")
}

fn find_bed(options: &EnterOptions) -> Result<(u32, Option<u32>), Failure> {
    if let Some(bed) = options.bed {
        return Ok((bed, options.deaf));
    }
    let socket = options.control.as_deref().ok_or_else(|| Failure::refused("enter needs a bed"))?;
    let info = control::ask(socket, &json!({ "op": "info" }))?;
    let pid = |field: &str| info[field].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let bed = pid("pid").ok_or_else(|| Failure::refused("the bed does not say who it is"))?;
    Ok((bed, pid("deaf_pid")))
}

/// A user as the password file knows it, or a bare number with the group of the same number.
struct UserIds {
    user: u32,
    group: u32,
}

impl UserIds {
    fn find(name: &str) -> Result<Self, Failure> {
        if let Ok(user) = name.parse() {
            return Ok(Self { user, group: user });
        }
        let file = "/etc/passwd";
        let users = fs::read_to_string(file).on(file)?;
        users
            .lines()
            .find_map(|line| Self::from_line(line, name))
            .ok_or_else(|| Failure::refused(format!("there is no user {name}")))
    }

    fn from_line(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some(Self { user, group })
    }

    /// Becomes this user in every respect: without other groups, capabilities, or a way to gain any.
    fn become_only(&self) -> Result<(), Failure> {
        let step = format!("becoming user {}", self.user);
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        rustix::thread::set_thread_groups(&[group]).during(&step)?;
        rustix::thread::set_thread_res_gid(group, group, group).during(&step)?;
        rustix::thread::set_thread_res_uid(user, user, user).during(&step)?;
        rustix::thread::set_no_new_privs(true).during(&step)
    }
}

#[cfg(test)]
mod tests {
    use super::UserIds;

    #[test]
    fn reads_users_from_the_password_file() {
        let ids = UserIds::from_line("nobody:x:65534:65533:nobody:/nonexistent:/bin/sh", "nobody").unwrap();
        assert_eq!((ids.user, ids.group), (65534, 65533));
        assert!(UserIds::from_line("nobody2:x:1:1::/:/", "nobody").is_none());
    }
}
