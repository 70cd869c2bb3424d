//! The kernel's part, played: which devices are present, and in what order files and uevents come and go.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::attachment::Attachment;
use crate::channel::{self, UeventChannel};
use crate::device::Device;
use crate::failure::{Failure, While};
use crate::ledger::Ledger;
use crate::name::{Addresses, DeviceName, controller_address};
use crate::sysfs::SysfsTree;
use crate::udev;
use crate::uevent::{Action, Uevent};

/// Whether a change is told by uevents, or lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    Announced,
    Silent,
}

/// What becomes of a device's files when it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Entry {
    /// They go, as in the kernel.
    #[default]
    Removed,
    /// They stay, and contradict the uevent.
    Kept,
}

/// The tree, its devices, and the way out for their uevents.
#[derive(Debug)]
pub(crate) struct Bed {
    tree: SysfsTree,
    channel: UeventChannel,
    pub(crate) ledger: Ledger,
    buses: BTreeMap<u8, Addresses>,
    present: BTreeMap<DeviceName, Presence>,
    /// The last device of each place that is empty now, for uevents that come too late.
    former: HashMap<DeviceName, Attachment>,
    udevd: bool,
}

#[derive(Debug)]
struct Presence {
    attachment: Attachment,
    has_interfaces: bool,
    /// A `remove` was sent although the files were kept.
    is_ghost: bool,
}

impl Bed {
    /// Lays out the controllers and their root hubs; with `udevd`, messages to group 2 follow each uevent.
    pub(crate) fn open(tree: SysfsTree, controllers: u8, udevd: bool) -> Result<Self, Failure> {
        let mut bed = Self {
            tree,
            channel: UeventChannel::open()?,
            ledger: Ledger::default(),
            buses: BTreeMap::new(),
            present: BTreeMap::new(),
            former: HashMap::new(),
            udevd,
        };
        for bus in 1..=controllers {
            bed.tree.create_controller(bus)?;
            bed.buses.insert(bus, Addresses::new());
            let hub = Arc::new(Device::root_hub(&controller_address(bus)));
            let attachment = Attachment::new(DeviceName::root_hub(bus), Addresses::ROOT_HUB, hub);
            bed.appear(attachment)?;
            bed.configure(&DeviceName::root_hub(bus), Telling::Silent)?;
        }
        Ok(bed)
    }

    /// Puts a device into a port: its files first, then `add`. Its interfaces are [`Self::configure`]'s.
    pub(crate) fn plug(
        &mut self,
        name: &DeviceName,
        device: Arc<Device>,
        address: Option<u8>,
        telling: Telling,
        pair: Option<u32>,
    ) -> Result<Value, Failure> {
        let parent = name.parent().ok_or_else(|| Failure::refused("a root hub cannot be plugged in"))?;
        if !self.present.contains_key(&parent) {
            return Err(Failure::refused(format!("{name} has no hub {parent} above it")));
        }
        match self.present.get(name) {
            Some(presence) if presence.is_ghost => {
                self.unplug(name, Entry::Removed, Telling::Silent, None)?;
            }
            Some(_) => return Err(Failure::refused(format!("{name} is taken"))),
            None => {}
        }
        let addresses =
            self.buses.get_mut(&name.bus()).ok_or_else(|| Failure::refused(format!("{name} has no bus")))?;
        let address = match address {
            Some(address) => addresses.claim(address)?,
            None => addresses.choose()?,
        };
        let attachment = Attachment::new(name.clone(), address, device);
        let mut answer = json!({
            "name": name.to_string(),
            "devpath": attachment.devpath,
            "busnum": name.bus(),
            "devnum": address,
        });
        self.appear(attachment)?;
        if telling == Telling::Announced {
            answer["monotonic_ns"] = self.send(name, Action::Add, pair)?.into();
        }
        Ok(answer)
    }

    /// Chooses the configuration: interfaces appear, drivers bind.
    pub(crate) fn configure(&mut self, name: &DeviceName, telling: Telling) -> Result<(), Failure> {
        let attachment = self.attachment(name)?.clone();
        self.tree.configure(&attachment)?;
        for number in 0..attachment.device.interfaces.len() {
            self.tree.add_interface(&attachment, number)?;
            self.tell(telling, &Uevent::of_interface(&attachment, number, Action::Add))?;
            if attachment.interface_driver(number).is_some() {
                self.tell(telling, &Uevent::of_interface(&attachment, number, Action::Bind))?;
            }
        }
        self.tell(telling, &Uevent::of_device(&attachment, Action::Bind))?;
        if let Some(presence) = self.present.get_mut(name) {
            presence.has_interfaces = true;
        }
        Ok(())
    }

    /// Takes a device out of its port, and before it everything that hangs on it.
    pub(crate) fn unplug(
        &mut self,
        name: &DeviceName,
        entry: Entry,
        telling: Telling,
        pair: Option<u32>,
    ) -> Result<(), Failure> {
        if name.parent().is_none() {
            return Err(Failure::refused("a root hub cannot be unplugged"));
        }
        let attachment = self.attachment(name)?.clone();
        let below: Vec<DeviceName> =
            self.present.keys().filter(|other| other.is_below(name)).cloned().collect();
        for child in below.iter().filter(|child| child.parent().as_ref() == Some(name)) {
            self.unplug(child, entry, telling, None)?;
        }
        let presence = &self.present[name];
        let (has_interfaces, telling) =
            (presence.has_interfaces, if presence.is_ghost { Telling::Silent } else { telling });
        if has_interfaces {
            for number in 0..attachment.device.interfaces.len() {
                self.drop_interface(&attachment, number, entry, telling)?;
            }
            self.tell(telling, &Uevent::of_device(&attachment, Action::Unbind))?;
        }
        if entry == Entry::Removed {
            self.tree.strip_device(&attachment)?;
        }
        if telling == Telling::Announced {
            self.send(name, Action::Remove, pair)?;
        }
        match entry {
            Entry::Kept => {
                if let Some(presence) = self.present.get_mut(name) {
                    presence.is_ghost = true;
                }
            }
            Entry::Removed => {
                self.tree.remove_directory(&attachment.devpath)?;
                if let Some(addresses) = self.buses.get_mut(&name.bus()) {
                    addresses.release(attachment.address);
                }
                self.present.remove(name);
                self.former.insert(name.clone(), attachment);
            }
        }
        Ok(())
    }

    /// Sends a `usb_device`'s uevent and changes nothing; the device may have left already.
    pub(crate) fn send(
        &mut self,
        name: &DeviceName,
        action: Action,
        pair: Option<u32>,
    ) -> Result<u64, Failure> {
        let attachment = match self.present.get(name) {
            Some(presence) => &presence.attachment,
            None => {
                self.former.get(name).ok_or_else(|| Failure::refused(format!("{name} was never here")))?
            }
        };
        let uevent = Uevent::of_device(attachment, action);
        let at_ns = self.ledger.note(attachment, action, pair);
        self.tell(Telling::Announced, &uevent)?;
        Ok(at_ns)
    }

    /// Sends what udevd would send for a device, and nothing else.
    pub(crate) fn send_as_udev(&self, name: &DeviceName, action: Action) -> Result<(), Failure> {
        self.multicast_as_udev(&Uevent::of_device(self.attachment(name)?, action))
    }

    pub(crate) fn send_others(&mut self, count: u32) -> Result<(), Failure> {
        (0..count)
            .try_for_each(|index| self.channel.rebroadcast(&Uevent::of_another_subsystem(index).payload()))
    }

    pub(crate) fn send_raw(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.channel.rebroadcast(payload)
    }

    pub(crate) fn forge(&self, payload: &[u8], port: Option<u32>) -> Result<(), Failure> {
        self.channel.forge(payload, port)
    }

    /// Says which devices are there, ghosts included.
    pub(crate) fn describe(&self) -> Value {
        self.present
            .values()
            .map(|presence| {
                json!({
                    "name": presence.attachment.name.to_string(),
                    "devpath": presence.attachment.devpath,
                    "busnum": presence.attachment.name.bus(),
                    "devnum": presence.attachment.address,
                    "ghost": presence.is_ghost,
                })
            })
            .collect()
    }

    pub(crate) fn is_ghost(&self, name: &DeviceName) -> bool {
        self.present.get(name).is_some_and(|presence| presence.is_ghost)
    }

    /// Declares a ghost alive again: a burst that keeps the files sends `add` and `remove` by turns.
    pub(crate) fn set_ghost(&mut self, name: &DeviceName, is_ghost: bool) {
        if let Some(presence) = self.present.get_mut(name) {
            presence.is_ghost = is_ghost;
        }
    }

    fn appear(&mut self, attachment: Attachment) -> Result<(), Failure> {
        self.tree.add_device(&attachment)?;
        let presence = Presence { has_interfaces: false, is_ghost: false, attachment };
        self.present.insert(presence.attachment.name.clone(), presence);
        Ok(())
    }

    fn drop_interface(
        &mut self,
        attachment: &Attachment,
        number: usize,
        entry: Entry,
        telling: Telling,
    ) -> Result<(), Failure> {
        if attachment.interface_driver(number).is_some() {
            self.tell(telling, &Uevent::of_interface(attachment, number, Action::Unbind))?;
        }
        if entry == Entry::Removed {
            self.tree.strip_interface(attachment, number)?;
        }
        self.tell(telling, &Uevent::of_interface(attachment, number, Action::Remove))?;
        if entry == Entry::Removed {
            self.tree.remove_directory(&attachment.interface_devpath(number))?;
        }
        Ok(())
    }

    fn attachment(&self, name: &DeviceName) -> Result<&Attachment, Failure> {
        let presence = self.present.get(name);
        Ok(&presence.ok_or_else(|| Failure::refused(format!("{name} is not plugged in")))?.attachment)
    }

    fn tell(&mut self, telling: Telling, uevent: &Uevent) -> Result<(), Failure> {
        if telling == Telling::Silent {
            return Ok(());
        }
        self.channel.rebroadcast(&uevent.payload())?;
        if self.udevd { self.multicast_as_udev(uevent) } else { Ok(()) }
    }

    fn multicast_as_udev(&self, uevent: &Uevent) -> Result<(), Failure> {
        let number = channel::last_sequence_number().on("/sys/kernel/uevent_seqnum")?;
        self.channel.multicast_as_udev(&udev::message(uevent, &number))
    }
}
