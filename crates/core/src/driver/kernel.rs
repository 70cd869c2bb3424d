//! Carries requests out, with the rights of whoever calls. Each is judged again by what sysfs has at that moment.
//!
//! Every path is one of sysfs's own folders and names of a strict form (`request`), so none leads elsewhere.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::modprobe;
use super::plan::Facts;
use super::request::{Request, no_device};
use crate::sysfs::{attribute, hex, inode, interfaces, link_name};

const SYSFS: &str = "/sys";
/// Where drivers learn IDs. Those of serial adapters have a bus of their own for that.
const DRIVERS: [&str; 2] = ["bus/usb/drivers", "bus/usb-serial/drivers"];

/// The kernel's view of USB, and what can be done to it.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    sysfs: PathBuf,
}

impl Kernel {
    pub(crate) fn new() -> Self {
        Self::at(SYSFS)
    }

    pub(super) fn at(sysfs: impl Into<PathBuf>) -> Self {
        Self { sysfs: sysfs.into() }
    }

    /// What it has of the device of this name. None where there is none, or it goes while it is read.
    pub(crate) fn facts(&self, name: &str) -> Option<Facts> {
        let folder = self.device(name);
        let mut interfaces = interfaces(&folder).ok()?;
        // A root hub's is called `1-0:1.0`, and is nobody's to give.
        interfaces
            .retain(|interface| interface.name.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
        Some(Facts {
            name: name.to_owned(),
            vendor: hex(&folder, "idVendor")?,
            product: hex(&folder, "idProduct")?,
            inode: inode(&folder)?,
            authorized: attribute(&folder, "authorized")? != "0",
            interfaces,
        })
    }

    /// Whether it is this very device that has its name.
    pub(super) fn has(&self, facts: &Facts) -> bool {
        inode(&self.device(&facts.name)) == Some(facts.inode)
    }

    /// The driver that an interface has.
    pub(super) fn driver_of(&self, interface: &str) -> Option<String> {
        link_name(&self.device(interface).join("driver"))
    }

    /// Whether there is what the request is about, and it may be done to it: nothing that has a driver is touched.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub(crate) fn judge(&self, request: &Request) -> Result<(), String> {
        match request {
            Request::Module(_) => Ok(()),
            Request::Modalias(interface) | Request::Bind { interface, .. } => {
                // The kernel's own mark of an interface.
                if attribute(&self.device(interface), "bInterfaceNumber").is_none() {
                    return Err(format!("there is no interface {interface}"));
                }
                match self.driver_of(interface) {
                    Some(driver) => Err(format!("{interface} has the driver {driver}")),
                    None => Ok(()),
                }
            }
            Request::NewId { vendor, product, .. } => {
                let is_meant = |facts: &Facts| {
                    (facts.vendor, facts.product) == (*vendor, *product) && facts.unbound().next().is_some()
                };
                if self.devices().any(|facts| is_meant(&facts)) {
                    return Ok(());
                }
                Err(no_device(*vendor, *product))
            }
            Request::Authorize { device, .. } => {
                self.facts(device).map(drop).ok_or_else(|| format!("there is no device {device}"))
            }
        }
    }

    /// Carries it out. Gives up soon after `stop` has been set, where that is possible.
    ///
    /// # Errors
    /// Why it could not be, in a sentence.
    pub(crate) fn carry_out(&self, request: &Request, stop: &AtomicBool) -> Result<(), String> {
        self.judge(request)?;
        match request {
            Request::Module(name) => modprobe::load(name, stop),
            Request::Modalias(interface) => {
                let alias = attribute(&self.device(interface), "modalias").filter(|alias| is_modalias(alias));
                modprobe::load(&alias.ok_or_else(|| format!("{interface} has no modalias"))?, stop)
            }
            Request::NewId { driver, vendor, product } => {
                let file = self.new_id(driver)?;
                let id = format!("{vendor:04x} {product:04x}");
                // It would be added as often as it is written.
                let known = fs::read_to_string(&file).unwrap_or_default();
                if known.lines().any(|line| line.trim() == id) { Ok(()) } else { write(&file, &id) }
            }
            Request::Bind { driver, interface } => {
                write(&self.sysfs.join(DRIVERS[0]).join(driver).join("bind"), interface)
            }
            Request::Authorize { device, authorized } => {
                write(&self.device(device).join("authorized"), if *authorized { "1" } else { "0" })
            }
        }
    }

    /// The right that this process lacks for a request.
    pub(crate) fn lacks(&self, request: &Request) -> Option<String> {
        let unwritable = |path: &Path| {
            let lacks = accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_err();
            lacks.then(|| format!("write access to {}", path.display()))
        };
        match request {
            Request::Module(_) | Request::Modalias(_) => {
                if !modprobe::may_load() {
                    return Some("CAP_SYS_MODULE".to_owned());
                }
                modprobe::program().is_none().then(|| "a program modprobe".to_owned())
            }
            // A driver that is not there yet comes with its module, and its files are root's as well.
            Request::NewId { driver, .. } => match self.new_id(driver) {
                Ok(file) => unwritable(&file),
                Err(_) => unwritable(&self.sysfs.join(DRIVERS[0])),
            },
            Request::Bind { driver, .. } => {
                let file = self.sysfs.join(DRIVERS[0]).join(driver).join("bind");
                unwritable(if file.exists() { &file } else { file.parent()?.parent()? })
            }
            Request::Authorize { device, .. } => unwritable(&self.device(device).join("authorized")),
        }
    }

    fn device(&self, name: &str) -> PathBuf {
        self.sysfs.join("bus/usb/devices").join(name)
    }

    fn devices(&self) -> impl Iterator<Item = Facts> {
        let entries = fs::read_dir(self.sysfs.join("bus/usb/devices")).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.facts(entry.file_name().to_str()?))
    }

    /// The file by which a driver learns IDs.
    fn new_id(&self, driver: &str) -> Result<PathBuf, String> {
        let folders = DRIVERS.map(|drivers| self.sysfs.join(drivers).join(driver));
        if let Some(file) = folders.iter().map(|folder| folder.join("new_id")).find(|file| file.exists()) {
            return Ok(file);
        }
        Err(if folders.iter().any(|folder| folder.exists()) {
            format!("the driver {driver} takes no IDs")
        } else {
            format!("no driver {driver} is loaded: a rule's module says what brings it")
        })
    }
}

/// As the kernel writes them for USB: nothing that modprobe could take for anything else.
fn is_modalias(text: &str) -> bool {
    text.starts_with("usb:") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
}

/// Writes to an attribute that is there. The kernel answers once it has been done, drivers' probes included.
fn write(file: &Path, text: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", file.display());
    let mut options = fs::OpenOptions::new();
    let mut opened = options.write(true).custom_flags(libc::O_NOFOLLOW).open(file).map_err(failed)?;
    opened.write_all(text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Two interfaces, the first with a driver; gone when it is dropped.
    struct Tree(PathBuf);

    impl Tree {
        fn new(test: &str) -> Self {
            let root = std::env::temp_dir().join(format!("usb-daemon-driver-{test}-{}", std::process::id()));
            let device = root.join("bus/usb/devices/1-1");
            for (folder, file, text) in [
                ("bus/usb/devices/1-1", "idVendor", "1209\n"),
                ("bus/usb/devices/1-1", "idProduct", "dead\n"),
                ("bus/usb/devices/1-1", "authorized", "1\n"),
                ("bus/usb/devices/1-1/1-1:1.0", "bInterfaceNumber", "00\n"),
                ("bus/usb/devices/1-1/1-1:1.1", "bInterfaceNumber", "01\n"),
                ("bus/usb/devices/usb1", "idVendor", "1d6b\n"),
                ("bus/usb/devices/usb1", "idProduct", "0002\n"),
                ("bus/usb/devices/usb1", "authorized", "1\n"),
                ("bus/usb/devices/usb1/1-0:1.0", "bInterfaceNumber", "00\n"),
                ("bus/usb/drivers/usbhid", "bind", ""),
                ("bus/usb-serial/drivers/generic", "new_id", ""),
            ] {
                fs::create_dir_all(root.join(folder)).expect("a folder");
                fs::write(root.join(folder).join(file), text).expect("written");
            }
            for interface in ["1-1:1.0", "1-1:1.1"] {
                symlink(device.join(interface), root.join("bus/usb/devices").join(interface))
                    .expect("a link");
            }
            symlink(root.join("bus/usb/drivers/usbhid"), device.join("1-1:1.0/driver")).expect("a link");
            Self(root)
        }

        fn ask(&self, line: &str) -> Result<(), String> {
            Kernel::at(&self.0).carry_out(&Request::parse(line).expect(line), &AtomicBool::new(false))
        }

        fn has(&self, file: &str) -> String {
            fs::read_to_string(self.0.join(file)).expect(file)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn facts_are_those_of_sysfs() {
        let tree = Tree::new("facts");
        let facts = Kernel::at(&tree.0).facts("1-1").expect("there");
        assert_eq!((facts.vendor, facts.product, facts.authorized), (0x1209, 0xdead, true));
        let interfaces: Vec<_> =
            facts.interfaces.iter().map(|each| (&*each.name, each.driver.as_deref())).collect();
        assert_eq!(interfaces, [("1-1:1.0", Some("usbhid")), ("1-1:1.1", None)]);
        assert_eq!(Kernel::at(&tree.0).facts("1-2"), None);
    }

    #[test]
    fn an_interface_that_has_a_driver_is_not_touched() {
        let tree = Tree::new("bound");
        let refused = tree.ask("bind usbhid 1-1:1.0").expect_err("it has one");
        assert_eq!(refused, "1-1:1.0 has the driver usbhid");
        assert!(tree.ask("modalias 1-1:1.0").is_err());
        assert_eq!(tree.has("bus/usb/drivers/usbhid/bind"), "");
        tree.ask("bind usbhid 1-1:1.1").expect("it has none");
        assert_eq!(tree.has("bus/usb/drivers/usbhid/bind"), "1-1:1.1");
    }

    #[test]
    fn an_id_is_added_once_and_only_for_a_device_that_lacks_a_driver() {
        let tree = Tree::new("new-id");
        assert!(tree.ask("new-id generic 1d6b 0003").is_err(), "it is not there");
        assert!(tree.ask("new-id generic 1d6b 0002").is_err(), "a root hub is nobody's to give");
        assert!(tree.ask("new-id usbhid 1209 dead").expect_err("no file").contains("takes no IDs"));
        assert!(
            tree.ask("new-id other 1209 dead").expect_err("no driver").contains("no driver other is loaded")
        );
        tree.ask("new-id generic 1209 dead").expect("written");
        let file = "bus/usb-serial/drivers/generic/new_id";
        assert_eq!(tree.has(file), "1209 dead");
        // As the kernel lists them then. A second one would be written over the first line here.
        fs::write(tree.0.join(file), "ffff 0001\n1209 dead\n").expect("written");
        tree.ask("new-id generic 1209 dead").expect("known");
        assert_eq!(tree.has(file), "ffff 0001\n1209 dead\n");
    }

    #[test]
    fn an_attribute_that_is_a_link_is_not_written_through() {
        let tree = Tree::new("link");
        let outside = tree.0.join("outside");
        fs::write(&outside, "kept").expect("written");
        let attribute = tree.0.join("bus/usb/devices/1-1/authorized");
        fs::remove_file(&attribute).expect("removed");
        symlink(&outside, &attribute).expect("a link");
        assert!(tree.ask("authorize 1-1 0").is_err());
        assert_eq!(tree.has("outside"), "kept");
    }

    #[test]
    fn only_what_the_kernel_writes_is_a_modalias() {
        assert!(is_modalias("usb:v1209pDEADd0100dc00dsc00dp00icFFisc00ip00in00"));
        for text in ["-r", "usb:x -r", "usb:../x", "pci:v1", "usb:x*", ""] {
            assert!(!is_modalias(text), "{text}");
        }
    }
}
