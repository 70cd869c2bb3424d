//! Judging what was found: what stands in the way, and which nodes there are.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, accessat};
use rustix::process::geteuid;

use super::found::Found;
use super::readiness::{Access, Node, Obstacle, Reason, Rights};
use super::tree::Tree;
use super::udev::Udev;

/// Classes whose interfaces the kernel drives: audio, communication, HID, printer, mass storage, hub, CDC data, video, wireless.
/// The others are left to programs where no driver wants them.
const DRIVEN: [u8; 9] = [0x01, 0x02, 0x03, 0x07, 0x08, 0x09, 0x0a, 0x0e, 0xe0];
const MASS_STORAGE: u8 = 0x08;
const PERMISSIONS: u32 = 0o7777;
/// So many are named in a sentence.
const NAMED: usize = 4;

/// What is known beside the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// udev has finished with all that the kernel has told it of.
    pub(super) is_done: bool,
    /// A rule of the configuration's gives a driver to whatever has none.
    pub(super) driver: bool,
}

/// What has been found of a device.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) nodes: Vec<Node>,
}

impl Judgement {
    /// Of a device with which the kernel has not finished: who looks closer may have to wait for it.
    pub(super) fn of_a_busy_kernel() -> Self {
        let detail = "a driver is still probing the device".to_owned();
        Self { obstacles: vec![Obstacle { reason: Reason::KernelBusy, detail }], nodes: Vec::new() }
    }

    /// Whether nothing is missing that could still come: a permission that udev has not given does not.
    pub(super) fn is_final(&self, has_udev: bool) -> bool {
        self.obstacles.iter().all(|obstacle| has_udev && obstacle.reason == Reason::NoPermission)
    }
}

/// Which of what was found udev has no record of yet.
pub(super) fn unstored<'a>(tree: &'a Tree, udev: &Udev) -> Vec<&'a Found> {
    tree.nodes.iter().filter(|found| udev.stored(&found.record).is_none()).collect()
}

/// Judges a tree. `dev` is normally /dev.
pub(super) fn judge(tree: &Tree, expected: Expected, udev: &Udev, dev: &Path) -> Judgement {
    let nodes: Vec<Node> = tree.nodes.iter().map(|found| node(found, tree, udev, dev)).collect();
    let mut obstacles = Vec::new();
    let mut stands = |reason, detail: String| obstacles.push(Obstacle { reason, detail });
    if tree.interfaces.is_empty() {
        let detail = "it has no interfaces: it is being configured, or cannot be; is it authorized, and is there a configuration that \
                      the kernel can set?";
        stands(Reason::NotConfigured, detail.into());
    }
    // A rule may be about one interface of many.
    let wants_driver = expected.driver && tree.driven.is_empty();
    for interface in &tree.interfaces {
        let (number, class) = (interface.number, interface.class);
        if interface.driver.is_none() && (wants_driver || DRIVEN.contains(&class)) {
            stands(Reason::NoDriver, format!("interface {number} of class {class:02x} has no driver"));
        }
        if tree.undriven_hid.contains(&number) {
            stands(Reason::NoDriver, format!("the HID device of interface {number} has no driver"));
        }
        let has_node = nodes.iter().any(|node| node.interface == Some(number));
        let is_to_come = tree.disks_to_come.contains(&number);
        if class == MASS_STORAGE && (is_to_come || !has_node) && interface.driver.is_some() {
            stands(Reason::NoNode, format!("interface {number} is mass storage and has no disk"));
        }
    }
    if !expected.is_done {
        let names: Vec<&str> = unstored(tree, udev).iter().map(|found| found.name.as_str()).collect();
        let detail = match names.len() {
            0 => "udev has not finished with the device".to_owned(),
            _ => format!("udev has not finished with {}", listed(&names)),
        };
        stands(Reason::UdevBusy, detail);
    }
    obstacles.extend(permission(&nodes));
    Judgement { obstacles, nodes }
}

/// The nodes by which a device is used: its interfaces', or its own, which hardly anybody may write, where they have none. A network
/// interface is opened by nobody.
pub(super) fn used(nodes: &[Node]) -> Vec<&Node> {
    let (own, others): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| node.interface.is_none());
    let of_whom = if others.is_empty() { own } else { others };
    of_whom.into_iter().filter(|node| node.path.is_some()).collect()
}

fn permission(nodes: &[Node]) -> Option<Obstacle> {
    let tried = used(nodes);
    if tried.is_empty() || tried.iter().any(|node| node.access.is_some_and(|access| access != Access::None)) {
        return None;
    }
    let paths: Vec<String> = tried.iter().filter_map(|node| shown(node)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let detail = format!("the user with ID {} may open none of {}", geteuid().as_raw(), listed(&paths));
    Some(Obstacle { reason: Reason::NoPermission, detail })
}

fn shown(node: &Node) -> Option<String> {
    let path = node.path.as_ref()?;
    Some(match node.rights {
        Some(Rights { mode, uid, gid }) => format!("{path} ({mode:04o}, user {uid}, group {gid})"),
        None => format!("{path} (absent)"),
    })
}

fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names[..names.len().min(NAMED)].join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

fn node(found: &Found, tree: &Tree, udev: &Udev, dev: &Path) -> Node {
    let stored = udev.stored(&found.record).unwrap_or_default();
    let path = found.devname.as_ref().map(|name| dev.join(name));
    let in_dev = |name: String| dev.join(name).to_string_lossy().into_owned();
    let metadata = path.as_ref().and_then(|path| path.metadata().ok());
    Node {
        subsystem: found.subsystem.clone(),
        name: found.name.clone(),
        interface: found.interface,
        driver: tree.driver(found.interface),
        links: stored.links.into_iter().map(in_dev).collect(),
        rights: metadata.map(|metadata| Rights {
            mode: metadata.mode() & PERMISSIONS,
            uid: metadata.uid(),
            gid: metadata.gid(),
        }),
        access: path.as_deref().map(access),
        path: path.map(|path| path.to_string_lossy().into_owned()),
        part_of: found.part_of.clone().map(in_dev),
        label: stored.label,
        uuid: stored.uuid,
        file_system: stored.file_system,
    }
}

/// As the kernel would answer, access lists included. Whether a container's rules for devices forbid it, only opening tells.
fn access(path: &Path) -> Access {
    let may = |access| accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
    match (may(rustix::fs::Access::READ_OK), may(rustix::fs::Access::WRITE_OK)) {
        (true, true) => Access::ReadWrite,
        (true, false) => Access::Read,
        (false, true) => Access::Write,
        (false, false) => Access::None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ready::readiness::ReadyInterface;
    use crate::ready::test_folder::{Folder, put_all, storage};

    const DONE: Expected = Expected { is_done: true, driver: false };
    const BUSY: Expected = Expected { is_done: false, driver: false };

    fn reasons(judgement: &Judgement) -> Vec<Reason> {
        judgement.obstacles.iter().map(|obstacle| obstacle.reason).collect()
    }

    /// A disk with one partition, whose nodes are there.
    fn disk(name: &str) -> (Folder, Tree, Udev) {
        let folder = Folder::with(name, &[]);
        put_all(&folder, &storage());
        for node in ["nodes/sda", "nodes/sda1", "nodes/bus/usb/001/005"] {
            folder.put(node, "");
        }
        folder.put("udev/data/b8:1", "S:disk/by-id/usb-x-part1\nE:ID_FS_LABEL=STICK\n");
        folder.put("udev/data/b8:0", "I:1\n");
        folder.put("udev/data/c189:4", "I:1\n");
        let tree = Tree::read(&folder.0);
        let udev = Udev::new(folder.0.join("udev"));
        (folder, tree, udev)
    }

    #[test]
    fn a_disk_that_is_there_is_ready_and_its_partition_has_its_names() {
        let (folder, tree, udev) = disk("judged");
        let judgement = judge(&tree, DONE, &udev, &folder.0.join("nodes"));
        assert_eq!(judgement.obstacles, []);
        let node = judgement.nodes.iter().find(|node| node.name == "sda1").expect("a partition");
        let dev = folder.0.join("nodes");
        assert_eq!(node.path.as_deref(), dev.join("sda1").to_str());
        assert_eq!(node.links, [dev.join("disk/by-id/usb-x-part1").display().to_string()]);
        assert_eq!(node.part_of.as_deref(), dev.join("sda").to_str());
        assert_eq!(
            (node.label.as_deref(), node.driver.as_deref(), node.access),
            (Some("STICK"), Some("usb-storage"), Some(Access::ReadWrite))
        );
        assert_eq!(unstored(&tree, &udev), Vec::<&Found>::new());
    }

    #[test]
    fn what_is_missing_is_named() {
        let (folder, tree, udev) = disk("missing");
        let dev = folder.0.join("nodes");
        assert_eq!(reasons(&judge(&tree, BUSY, &udev, &dev)), [Reason::UdevBusy]);
        fs::remove_file(folder.0.join("udev/data/b8:1")).expect("removed");
        let busy = judge(&tree, BUSY, &udev, &dev);
        assert!(busy.obstacles[0].detail.ends_with("with sda1"), "{busy:?}");
        let mut undriven = tree.clone();
        undriven.interfaces[0].driver = None;
        undriven.driven.clear();
        assert_eq!(reasons(&judge(&undriven, DONE, &udev, &dev)), [Reason::NoDriver]);
        // A class of the maker's own may be meant for a program.
        undriven.interfaces[0].class = 0xff;
        assert_eq!(reasons(&judge(&undriven, DONE, &udev, &dev)), []);
        let ruled = Expected { driver: true, ..DONE };
        assert_eq!(reasons(&judge(&undriven, ruled, &udev, &dev)), [Reason::NoDriver], "a rule is about it");
        undriven.driven.push("1-4:1.1".into());
        assert_eq!(reasons(&judge(&undriven, ruled, &udev, &dev)), [], "it has what it wants");
        undriven.interfaces.clear();
        assert_eq!(reasons(&judge(&undriven, DONE, &udev, &dev)), [Reason::NotConfigured]);
        let no_reports = Tree { undriven_hid: vec![0], ..tree.clone() };
        assert_eq!(reasons(&judge(&no_reports, DONE, &udev, &dev)), [Reason::NoDriver]);
        let to_come = Tree { disks_to_come: vec![0], ..tree };
        assert_eq!(reasons(&judge(&to_come, DONE, &udev, &dev)), [Reason::NoNode]);
    }

    #[test]
    fn nodes_that_are_not_there_may_not_be_opened_and_only_without_udev_that_may_change() {
        let (folder, tree, udev) = disk("rights");
        let judgement = judge(&tree, DONE, &udev, &folder.0.join("nowhere"));
        assert_eq!(reasons(&judgement), [Reason::NoPermission]);
        assert!(judgement.obstacles[0].detail.contains("nowhere/sda (absent)"), "{judgement:?}");
        assert!(used(&judgement.nodes).iter().all(|node| node.rights.is_none()));
        assert!(judgement.is_final(true) && !judgement.is_final(false));
    }

    #[test]
    fn who_has_a_network_interface_needs_no_node() {
        let interface = |subsystem: &str, devname: Option<&str>| Found {
            subsystem: subsystem.into(),
            devname: devname.map(Into::into),
            interface: devname.is_none().then_some(0),
            ..Found::default()
        };
        let nodes = vec![interface("usb", Some("bus/usb/001/005")), interface("net", None)];
        let bound = ReadyInterface { number: 0, class: 0x02, driver: Some("cdc_ether".into()) };
        let tree = Tree { interfaces: vec![bound], nodes, ..Tree::default() };
        let nowhere = Path::new("/nonexistent");
        assert_eq!(reasons(&judge(&tree, DONE, &Udev::new(nowhere), nowhere)), []);
    }
}
