//! The files that stand for sysfs and `/dev/bus/usb`.

use std::fmt::Display;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::attachment::{Attachment, MAJOR};
use crate::attribute_store::AttributeStore;
use crate::attributes::{self, Attributes};
use crate::failure::{Failure, While};
use crate::name::controller_devpath;

const BUS_DIRECTORY: &str = "bus/usb/devices";
/// The name that an attribute bears for an instant before it takes its place.
const STAGED: &str = ".staged";

/// The trees, and where they lie.
#[derive(Debug)]
pub(crate) struct SysfsTree {
    sysfs: PathBuf,
    /// `/dev/bus/usb`, unless the bed has none.
    nodes: Option<PathBuf>,
    store: AttributeStore,
}

impl SysfsTree {
    pub(crate) fn create(sysfs: PathBuf, nodes: Option<PathBuf>) -> Result<Self, Failure> {
        for directory in [sysfs.join(BUS_DIRECTORY)].iter().chain(&nodes) {
            fs::create_dir_all(directory).on(directory)?;
        }
        let store = AttributeStore::create(&sysfs.join("devices/.attributes"))?;
        Ok(Self { sysfs, nodes, store })
    }

    pub(crate) fn create_controller(&self, bus: u8) -> Result<(), Failure> {
        let directory = self.place(&controller_devpath(bus));
        fs::create_dir_all(&directory).on(&directory)?;
        let Some(nodes) = &self.nodes else { return Ok(()) };
        let nodes = nodes.join(format!("{bus:03}"));
        fs::create_dir_all(&nodes).on(&nodes)
    }

    /// Does what the kernel does before it sends `add`: directory, attributes, bus link, device node.
    pub(crate) fn add_device(&mut self, attachment: &Attachment) -> Result<(), Failure> {
        let path = self.place(&attachment.devpath);
        let directory = make_directory(&path)?;
        self.fill(&directory, attributes::of_device(attachment)).on(&path)?;
        link_subsystem(&directory, &attachment.devpath).on(&path)?;
        self.link_on_bus(&attachment.name, &attachment.devpath)?;
        self.make_node(attachment)
    }

    /// Fills in what a device has once its configuration is chosen.
    pub(crate) fn configure(&mut self, attachment: &Attachment) -> Result<(), Failure> {
        let path = self.place(&attachment.devpath);
        let directory = open_directory(&path)?;
        for (name, content) in attributes::of_configuration(attachment) {
            // A reader must meet the old value or the new one, as with sysfs, never a missing file.
            self.store.link(content, &directory, STAGED).on(&path)?;
            rustix::fs::renameat(&directory, STAGED, &directory, name).on(&path)?;
        }
        Ok(())
    }

    /// Adds an interface's directory, attributes and bus link.
    pub(crate) fn add_interface(&mut self, attachment: &Attachment, number: usize) -> Result<(), Failure> {
        let devpath = attachment.interface_devpath(number);
        let path = self.place(&devpath);
        let directory = make_directory(&path)?;
        self.fill(&directory, attributes::of_interface(attachment, number)).on(&path)?;
        link_subsystem(&directory, &devpath).on(&path)?;
        self.link_on_bus(attachment.name.interface(number), &devpath)
    }

    /// Takes away attributes and bus link; the directory stays until `remove` has been sent.
    pub(crate) fn strip_interface(&self, attachment: &Attachment, number: usize) -> Result<(), Failure> {
        strip(&self.place(&attachment.interface_devpath(number)))?;
        self.unlink_from_bus(attachment.name.interface(number))
    }

    /// Takes away device node, attributes and bus link; the directory stays until `remove` has been sent.
    pub(crate) fn strip_device(&self, attachment: &Attachment) -> Result<(), Failure> {
        if let Some(nodes) = &self.nodes {
            let node = nodes.join(attachment.node());
            fs::remove_file(&node).on(&node)?;
        }
        strip(&self.place(&attachment.devpath))?;
        self.unlink_from_bus(&attachment.name)
    }

    pub(crate) fn remove_directory(&self, devpath: &str) -> Result<(), Failure> {
        let path = self.place(devpath);
        fs::remove_dir(&path).on(&path)
    }

    fn place(&self, devpath: &str) -> PathBuf {
        self.sysfs.join(devpath.trim_start_matches('/'))
    }

    fn fill(&mut self, directory: &OwnedFd, attributes: Attributes) -> rustix::io::Result<()> {
        attributes.into_iter().try_for_each(|(name, content)| self.store.link(content, directory, name))
    }

    fn link_on_bus(&self, name: impl Display, devpath: &str) -> Result<(), Failure> {
        let link = self.sysfs.join(BUS_DIRECTORY).join(name.to_string());
        symlink(format!("../../..{devpath}"), &link).on(&link)
    }

    fn unlink_from_bus(&self, name: impl Display) -> Result<(), Failure> {
        let link = self.sysfs.join(BUS_DIRECTORY).join(name.to_string());
        fs::remove_file(&link).on(&link)
    }

    fn make_node(&self, attachment: &Attachment) -> Result<(), Failure> {
        let Some(nodes) = &self.nodes else { return Ok(()) };
        let node = nodes.join(attachment.node());
        let number = rustix::fs::makedev(MAJOR, attachment.minor());
        let mode = Mode::from_raw_mode(0o664);
        match rustix::fs::mknodat(rustix::fs::CWD, &node, FileType::CharacterDevice, mode, number) {
            // A user namespace may make no device nodes; the name is what programs look for.
            Err(Errno::PERM) => fs::write(&node, []).on(&node),
            other => other.on(&node),
        }
    }
}

fn make_directory(path: &Path) -> Result<OwnedFd, Failure> {
    fs::create_dir(path).on(path)?;
    open_directory(path)
}

fn open_directory(path: &Path) -> Result<OwnedFd, Failure> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).on(path)
}

fn link_subsystem(directory: &OwnedFd, devpath: &str) -> rustix::io::Result<()> {
    let up = "../".repeat(devpath.matches('/').count());
    rustix::fs::symlinkat(format!("{up}bus/usb"), directory, "subsystem")
}

/// Removes the files of a directory and leaves its directories: those of devices and interfaces further down.
fn strip(path: &Path) -> Result<(), Failure> {
    let directory =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .on(path)?;
    for entry in rustix::fs::Dir::read_from(&directory).on(path)? {
        let file = entry.on(path)?;
        if file.file_type() != FileType::Directory {
            rustix::fs::unlinkat(&directory, file.file_name(), AtFlags::empty()).on(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::SysfsTree;
    use crate::attachment::Attachment;
    use crate::device::Device;
    use crate::name::DeviceName;

    #[test]
    fn a_device_appears_in_sysfs_and_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let (sysfs, nodes) = (root.path().join("sys"), root.path().join("dev/bus/usb"));
        let bus = sysfs.join("bus/usb/devices");
        let mut tree = SysfsTree::create(sysfs, Some(nodes)).unwrap();
        tree.create_controller(3).unwrap();
        let hub = Attachment::new(DeviceName::root_hub(3), 1, Arc::new(Device::root_hub("0000:00:03.0")));
        tree.add_device(&hub).unwrap();
        tree.configure(&hub).unwrap();
        tree.add_interface(&hub, 0).unwrap();

        let entry = bus.join("usb3");
        let read = |name: &str| fs::read_to_string(entry.join(name)).unwrap();
        assert_eq!((read("idVendor").as_str(), read("devpath").as_str()), ("1d6b\n", "0\n"));
        assert_eq!((read("version").as_str(), read("bNumInterfaces").as_str()), (" 2.00\n", " 1\n"));
        assert_eq!(fs::read(entry.join("descriptors")).unwrap().len(), 43);
        assert_eq!(
            fs::canonicalize(entry.join("subsystem")).unwrap(),
            fs::canonicalize(root.path().join("sys/bus/usb")).unwrap()
        );
        assert!(bus.join("3-0:1.0/bInterfaceClass").exists());
        assert!(root.path().join("dev/bus/usb/003/001").exists());

        tree.strip_interface(&hub, 0).unwrap();
        tree.remove_directory(&hub.interface_devpath(0)).unwrap();
        tree.strip_device(&hub).unwrap();
        assert!(fs::exists(root.path().join("sys/devices/pci0000:00/0000:00:03.0/usb3")).unwrap());
        tree.remove_directory(&hub.devpath).unwrap();
        assert_eq!(fs::read_dir(&bus).unwrap().count(), 0);
        assert_eq!(fs::read_dir(root.path().join("dev/bus/usb/003")).unwrap().count(), 0);
    }
}
