// A device as events describe it, as a program tells of one, and as somebody asks for one.

/**
 * USB's device descriptor. Of a `partial` device that had left, only IDs, class and release are known, the rest is 0. macOS and
 * Windows do not tell `bMaxPacketSize0`, the indices of strings and `bNumConfigurations`: there they are 0.
 */
export interface USBDeviceDescriptor {
  bLength: number;
  bDescriptorType: number;
  /** Binary-coded decimal: 0x0210 is USB 2.1. */
  bcdUSB: number;
  bDeviceClass: number;
  bDeviceSubClass: number;
  bDeviceProtocol: number;
  bMaxPacketSize0: number;
  idVendor: number;
  idProduct: number;
  bcdDevice: number;
  iManufacturer: number;
  iProduct: number;
  iSerialNumber: number;
  bNumConfigurations: number;
}

/** One attached device, in one of its events: plain data. */
export interface USBDeviceInfo {
  /** Vendor ID, 0 to 0xffff. */
  vendorId: number;
  /** Product ID, 0 to 0xffff. */
  productId: number;
  /** As the device gave it, as far as the operating system tells. */
  deviceDescriptor: USBDeviceDescriptor;
  /** As the device gave it; absent where it has none, or where it is unknown ({@link partial}). So the next two. */
  serialNumber?: string;
  /** As the device gave it. */
  manufacturer?: string;
  /** As the device gave it. */
  product?: string;
  /** What the USB ID Repository calls who has this vendor ID; absent where the device gives its {@link manufacturer}, or nobody is known. */
  vendorName?: string;
  /** What the repository calls this product; absent where the device gives its {@link product}, or it is not known. */
  productName?: string;
  /** Where it is plugged in. */
  location: {
    /** Number of the bus, from 1; on macOS the uppermost byte of the location ID. */
    busNumber: number;
    /** New after each replug; wraps at 127. */
    deviceAddress: number;
    /** Hub ports joined by dots (`4.2`), `0` for a root hub. */
    portPath: string;
  };
  /** When this transition was observed, in ms since 1970. */
  timestamp: number;
  /** First 16 hex digits of SHA-256 over `vid:pid:bus:address`. Names an attachment, but may come again. */
  signature: string;
  /** When the device came, in ms since 1970. */
  attachedAt: number;
  /** `<producer>:<seq>`; never comes again. */
  eventId: string;
  /**
   * `vvvv:pppp:<serial>` where the serial number identifies the unit, else `vvvv:pppp@<bus path>-<ports>`: without one, with one that two
   * devices have had at once, or with one that a maker has left in (`0123456789`, zeros alone). Fixed at attach, and the same at detach:
   * of two devices with one serial number, the one that was there first keeps the name that it has. {@link USBDaemon.identify} says why.
   */
  stableId: string;
  /**
   * What `stableId` rests on. `serial`: the unit, on whichever port. `port`: whatever of this model hangs on this port; whether that is the
   * same unit as before cannot be known.
   */
  identity: 'serial' | 'port';
  /** Distinct interface classes of all configurations (on macOS and Windows of the active one), in the descriptors' order. */
  interfaces: USBInterfaceClass[];
  /**
   * What the device can do, one word for each kind of interface, `<group>:<kind>` by the USB-IF's class codes: `hid:keyboard`, `storage:uas`,
   * `serial:cdc-acm`, `video:uvc`; `<group>:other` where the codes say no more. Empty where they say nothing. On Linux interface associations,
   * CDC's unions and the device object store (`platform:webusb`) have a say, too.
   */
  capabilities: string[];
  /** Mbit/s, where known. */
  speed?: number;
  /** What the first configuration asks of the port, where its descriptors are known. */
  power?: USBPower;
  /** What established the transition. */
  backend: 'netlink' | 'libusb' | 'snapshot' | 'injected' | 'simulated' | 'udev-helper';
  /** Set where reconciliation made the event. */
  synthetic?: 'startup' | 'gap' | 'missed-while-down' | 'reboot';
  /**
   * Not all is known: the device had left before it could be read, or its driver kept its strings for longer than
   * 500 ms. What is missing is unknown, not absent.
   */
  partial: boolean;
  /** Labels that rules of `filters.rules` have given it. */
  tags?: string[];
}

/** What {@link USBDaemon.identify} knows of a unit. */
export interface USBIdentification {
  /** As the event has it. */
  stableId: string;
  /** What `stableId` rests on. */
  identity: 'serial' | 'port';
  /**
   * Whether `stableId` names one unit and no other, as far as is known now: {@link reason} is `serial`. Else it may be any unit of the
   * model, on the port of that name or with that serial number.
   */
  certain: boolean;
  /**
   * Why. `serial`: its serial number is its own. `no-serial`: it has none. `unread-serial`: it left, or its driver kept its strings, before
   * that could be read. `junk-serial`: it has one that a maker has left in (`0123456789`, zeros alone). `shared-serial`: two devices have
   * had it at once, be that before or since.
   */
  reason: 'serial' | 'no-serial' | 'unread-serial' | 'junk-serial' | 'shared-serial';
  /** The device of this name that is attached now, with its port in `location`; undefined where there is none. */
  connected: USBDeviceInfo | undefined;
}

/** Whatever names a unit: a device's info of whichever event, or a consumer's event. */
export interface USBUnit {
  /** {@link USBDeviceInfo.stableId}. */
  stableId?: string;
  /** On which machine, where an event says that; else this one. A port's name is one machine's own, a serial number is not. */
  host?: string;
}

/** What a device asks of its port, and can do for it. */
export interface USBPower {
  /** It has a supply of its own. */
  selfPowered: boolean;
  /** It can wake the host. */
  remoteWakeup: boolean;
  /** It takes so many mA from the bus at the most. */
  maxMilliamps: number;
}

/** What an interface is, in USB-IF's codes. */
export interface USBInterfaceClass {
  /** Class, 0 to 255: 3 is HID, 8 is mass storage. */
  class: number;
  /** Subclass within the class, 0 to 255. */
  subclass: number;
  /** Protocol within the subclass, 0 to 255. */
  protocol: number;
}

/** A device to be simulated; strings that are absent the device does not have. */
export interface SimulatedDevice {
  /** Where it is plugged in, as the kernel would call it: `200-1.2`. */
  name: string;
  /** Vendor ID, 0 to 0xffff; default 0. */
  vendorId?: number;
  /** Product ID, 0 to 0xffff; default 0. */
  productId?: number;
  /** Manufacturer string. */
  manufacturer?: string;
  /** Product string. */
  product?: string;
  /** Serial number string. */
  serialNumber?: string;
  /** Class of the device, 0 to 255; default 0. */
  deviceClass?: number;
  /** Its interfaces; none by default. */
  interfaces?: USBInterfaceClass[];
  /** Mbit/s as a text, as in sysfs: `'480'`; unknown by default. */
  speed?: string;
}

/**
 * A device as the npm package `usb` gives it, as far as it is looked at. Everything is read once, at the call. Whatever may be
 * missing may be null as well.
 */
export interface USBDeviceLike {
  /** IDs are needed; of the rest, what is missing is 0, but for the length and the type of a descriptor. */
  deviceDescriptor: Pick<USBDeviceDescriptor, 'idVendor' | 'idProduct'> & {
    [Field in Exclude<keyof USBDeviceDescriptor, 'idVendor' | 'idProduct'>]?: number | null;
  };
  /** Number of the bus, 0 to 65535. With the address it tells the device from others. */
  busNumber: number;
  /** Address on the bus, 0 to 65535. */
  deviceAddress: number;
  /** Hub ports from the root on, 7 at most, each 1 to 255; a root hub has none. */
  portNumbers?: readonly number[] | null;
  /** Called before strings are asked for, without arguments. Where it throws, the device has none. */
  open?: (() => void) | null;
  /** Called when the strings have come or 1000 ms have passed; where it throws, once more after the last late answer. */
  close?: (() => void) | null;
  /** Strings that have not come within 1000 ms of the call are empty; answers that come twice or late are passed over. */
  getStringDescriptor?: ((index: number, callback: (error?: any, value?: string) => void) => void) | null;
  /** Ready-made texts, 255 characters at most: nothing is asked of the device for them. */
  manufacturer?: string | null;
  /** Like {@link manufacturer}. */
  product?: string | null;
  /** Like {@link manufacturer}. */
  serialNumber?: string | null;
  /** Ready-made interface classes, or node-usb's own interfaces, which say nothing of their class. */
  interfaces?: ReadonlyArray<{ [Part in keyof USBInterfaceClass]?: number | null }> | readonly object[] | null;
  /** node-usb's active configuration, whose interface classes are taken where none are ready-made. */
  configDescriptor?: { interfaces?: any } | null;
  /** Mbit/s, above 0; unknown where absent. */
  speed?: number | null;
}

/** An ID (0 to 0xffff) or a class code (0 to 0xff): a number, or its hex digits with or without `0x`. */
export type USBNumber = number | string;

/** What a device has to be, in everything that is said. `{}` is any device; undefined is as good as missing. */
export interface USBDeviceDescription {
  /** Vendor ID, 0 to 0xffff. */
  vendorId?: USBNumber;
  /** Product ID, 0 to 0xffff. */
  productId?: USBNumber;
  /** Serial number, the whole of it and letter for letter; so the texts that follow. */
  serialNumber?: string;
  /** Manufacturer. */
  manufacturer?: string;
  /** Product. */
  product?: string;
  /** {@link USBDeviceInfo.stableId}: the unit, or what hangs on one port. */
  stableId?: string;
  /**
   * The unit that this info, or this consumer's event, is about: on whichever port, where its serial number identifies it
   * (`identity: 'serial'`). Else what hangs on that port with the same IDs: the same model on the same port, which cannot be known
   * to be the same unit.
   */
  sameUnitAs?: USBUnit;
  /** {@link USBDeviceInfo.signature}: an attachment. */
  signature?: string;
  /** Hub ports joined by dots. */
  portPath?: string;
  /** Number of the bus, 0 to 65535, as a number only. */
  busNumber?: number;
  /** Address on the bus, 0 to 65535, as a number only. */
  deviceAddress?: number;
  /** Class of the device or of one of its interfaces. */
  class?: USBNumber;
  /**
   * What the device can do, as in {@link USBDeviceInfo.capabilities}, or a group of that: `hid:keyboard`, `serial:*`. Where readiness is waited for,
   * what is known only by then counts, too: `hid:gamepad`, `image:mtp`.
   */
  capability?: string;
}

/**
 * `permissions.usb` of an AutoWeave plugin's manifest. One of each list has to fit; an empty list, like a missing one, asks
 * for nothing.
 */
export interface USBManifestMatch {
  /** Vendor IDs, 0 to 0xffff. */
  vendor_ids?: readonly USBNumber[];
  /** Product IDs, 0 to 0xffff. */
  product_ids?: readonly USBNumber[];
  /** Classes of the device or of one of its interfaces. */
  device_classes?: readonly USBNumber[];
  /**
   * Interface classes: a class, `class/subclass/protocol` in hex as in the stream, or an object; what is not said may be
   * anything.
   */
  interfaces?: ReadonlyArray<USBNumber | { class?: USBNumber; subclass?: USBNumber; protocol?: USBNumber }>;
  /** What the device can do, as in {@link USBDeviceInfo.capabilities}, or a group of that: `hid:keyboard`, `serial:*`. */
  capabilities?: readonly string[];
  /** Like {@link USBDeviceDescription.sameUnitAs}; no permission of a manifest, but of use beside them. */
  sameUnitAs?: USBUnit;
  /** A permission that says nothing about which device is meant: it is passed over. */
  exclusive?: boolean;
  /** Like {@link exclusive}. */
  detach_kernel_driver?: boolean;
}

/** The same in AutoWeave's TypeScript. */
export interface USBDeviceFilter {
  /** Like {@link USBManifestMatch.vendor_ids}. */
  vendorIds?: readonly USBNumber[];
  /** Like {@link USBManifestMatch.product_ids}. */
  productIds?: readonly USBNumber[];
  /** Like {@link USBManifestMatch.device_classes}. */
  deviceClass?: readonly USBNumber[];
}
