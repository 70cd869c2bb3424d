//! Whether it can be heard when devices may be used, and which of those that are connected this user may not.

use rustix::process::geteuid;

use super::{Finding, Tell};
use crate::config::Config;
use crate::ready::{ShutOut, Survey, shut_out};
use crate::sysfs::Sysfs;

const SUBJECT: &str = "readiness";
/// So many devices are named.
const NAMED: usize = 3;

pub(super) fn heard(config: &Config, tell: Tell<'_>) {
    if !config.ready.enabled {
        return tell(Finding::ok(SUBJECT, "switched off by configuration (ready.enabled)"));
    }
    tell(messages(&Survey::now()));
    // What is wrong with the bus itself is said there.
    let Ok(entries) = Sysfs::new("/sys").scan(|_, _| false) else { return };
    let all = entries.len();
    let shut = shut_out(entries.into_iter().map(|entry| entry.name));
    if all > 0 {
        tell(rights(all, &shut));
    }
}

fn messages(survey: &Survey) -> Finding {
    match (&survey.hears, survey.has_udev) {
        (Err(error), _) => Finding::warn(
            SUBJECT,
            format!(
                "the socket for messages about drivers and udev cannot be opened: {error}; sysfs is looked at instead"
            ),
            "allow AF_NETLINK (systemd: RestrictAddressFamilies=, containers: the seccomp profile)",
        ),
        (Ok(()), true) => Finding::ok(
            SUBJECT,
            "a device is ready once its drivers are bound and udev has applied its rules",
        ),
        (Ok(()), false) => Finding::ok(
            SUBJECT,
            "no udev runs here (/run/udev/control): a device is ready once its drivers are bound and have made its nodes",
        ),
    }
}

fn rights(all: usize, shut: &[ShutOut]) -> Finding {
    let user = geteuid().as_raw();
    let count = shut.len();
    if count == 0 {
        return Finding::ok(SUBJECT, format!("user {user} is shut out of none of {all} devices"));
    }
    let more = count.saturating_sub(NAMED);
    let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
    let advice = if shut.iter().all(|shut| shut.is_absent) {
        "have udev or devtmpfs make the nodes in /dev, in a container mount the host's /dev/bus/usb and what else is to be opened, or leave it so: \
         the daemon opens none"
    } else {
        "make the user a member of the group that a node belongs to, have a rule of udev's give it to another one, or leave it so: the \
         daemon opens none"
    };
    let named: Vec<String> =
        shut.iter().take(NAMED).map(|shut| format!("{}: {}", shut.device, shut.detail)).collect();
    Finding::warn(
        SUBJECT,
        format!("{count} of {all} devices cannot be opened by user {user}: {}{rest}", named.join("; ")),
        advice,
    )
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::diagnosis::Grade;

    #[test]
    fn a_socket_that_is_forbidden_is_said_and_a_udev_that_is_not_there_is_no_fault() {
        let of = |hears, has_udev| messages(&Survey { hears, has_udev });
        let forbidden = of(Err(Errno::AFNOSUPPORT), true);
        assert_eq!(forbidden.grade, Grade::Warn);
        assert!(forbidden.advice.is_some_and(|advice| advice.contains("AF_NETLINK")));
        let (with, without) = (of(Ok(()), true), of(Ok(()), false));
        assert_eq!((with.grade, without.grade), (Grade::Ok, Grade::Ok));
        assert!(with.found.contains("udev has applied its rules"), "{with:?}");
        assert!(without.found.starts_with("no udev runs here"), "{without:?}");
    }

    fn shut_out_of(port: u8, detail: &str, is_absent: bool) -> ShutOut {
        ShutOut { device: format!("1-{port}"), detail: detail.to_owned(), is_absent }
    }

    #[test]
    fn of_many_devices_that_cannot_be_opened_some_are_named() {
        let shut: Vec<ShutOut> =
            (1..=5).map(|port| shut_out_of(port, &format!("none of /dev/x{port}"), false)).collect();
        let finding = rights(9, &shut);
        assert_eq!(finding.grade, Grade::Warn);
        let user = geteuid().as_raw();
        let named = "1-1: none of /dev/x1; 1-2: none of /dev/x2; 1-3: none of /dev/x3; and 2 more";
        assert_eq!(finding.found, format!("5 of 9 devices cannot be opened by user {user}: {named}"));
        assert!(rights(9, &shut[..1]).found.ends_with("1-1: none of /dev/x1"));
        let none = rights(9, &[]);
        let open = format!("user {user} is shut out of none of 9 devices");
        assert_eq!((none.grade, none.found), (Grade::Ok, open));
    }

    #[test]
    fn where_there_are_no_nodes_no_group_is_of_use() {
        let absent = shut_out_of(1, "none of /dev/bus/usb/001/002 (absent)", true);
        let kept = shut_out_of(2, "none of /dev/sda (absent), /dev/sda1 (0600, user 0, group 0)", false);
        let both = [absent, kept];
        for (shut, expected) in [
            (&both[..1], "mount the host's /dev/bus/usb"),
            (&both[1..], "a member of the group"),
            (&both, "a member of the group"),
        ] {
            let advice = rights(9, shut).advice;
            assert!(
                advice.as_ref().is_some_and(|advice| advice.contains(expected)),
                "{}: {advice:?}",
                shut[0].detail
            );
        }
    }
}
