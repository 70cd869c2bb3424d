// When a device may be used, and what it is used through.

import type { USBDeviceInfo } from './device.js';

/** A device that may be used now, or what stands in the way. Only Linux tells it. */
export interface USBDeviceReady {
  /** The device, as its attach event described it. */
  device: USBDeviceInfo;
  /**
   * Whether its interfaces have their drivers, udev (where it runs) has applied its rules, and this process may open one at least of its
   * nodes.
   */
  isReady: boolean;
  /** What stands in the way; empty where nothing does. */
  obstacles: USBObstacle[];
  /** When that was found, in ms since 1970. What is taken away later, as by an unbind, is not told. */
  timestamp: number;
  /** Time in ms from when this run of the daemon has seen the device. */
  elapsedMs: number;
  /** Interfaces of the configuration that is set, in their order. */
  interfaces: USBReadyInterface[];
  /**
   * What the device can do: as `device.capabilities`, and of HID what its report descriptors say by now (`hid:gamepad` in the place of
   * `hid:other`), and what only the string of an interface says (`image:mtp`).
   */
  capabilities: string[];
  /** Device nodes and network interfaces, the device's own node first. */
  nodes: USBDeviceNode[];
}

/** What stands in the way of using a device. */
export interface USBObstacle {
  /**
   * `kernel-busy`: a driver still probes; `not-configured`: it has no interfaces, as where it is not authorized or no configuration can be set;
   * `no-driver`: an interface of a class that the kernel drives has none, or what HID has found there has none; `no-node`: mass storage has no
   * disk yet; `udev-busy`: udev has not finished; `no-permission`: this process may open none of the nodes.
   */
  reason: 'kernel-busy' | 'not-configured' | 'no-driver' | 'no-node' | 'udev-busy' | 'no-permission';
  /** A sentence that names what, and for whom. */
  detail: string;
}

/** An interface, and whose it is. */
export interface USBReadyInterface {
  /** Its number. */
  number: number;
  /** Its class in USB-IF's codes, 0 to 255. */
  class: number;
  /** The kernel's driver that has it; none where a program may take it. */
  driver?: string;
}

/** What a device is used through: a device node, or a network interface. */
export interface USBDeviceNode {
  /** The kernel's subsystem: `tty`, `block`, `hidraw`, `input`, `sound`, `video4linux`, `net`, `usb` … */
  subsystem: string;
  /** The kernel's name: `ttyUSB0`, `sda1`, `eth0`. */
  name: string;
  /** Where it is: `/dev/ttyUSB0`. None of a network interface. */
  path?: string;
  /** Number of the interface that it belongs to; none of the device's own node. */
  interface?: number;
  /** That interface's driver. */
  driver?: string;
  /** Names that udev gives it and that outlive a replug: `/dev/serial/by-id/…`. Empty without udev. */
  links: string[];
  /** Permission bits: 0o660. This and the next two are absent where there is no node. */
  mode?: number;
  /** ID of the user whose it is. */
  uid?: number;
  /** ID of the group whose it is. */
  gid?: number;
  /**
   * How this process may open it, by mode, owner and access list. What a container's rules for devices forbid, only opening tells. None of a
   * network interface.
   */
  access?: 'none' | 'read' | 'write' | 'read-write';
  /** Of a partition: the path of the whole disk. */
  partOf?: string;
  /** Of a file system that udev knows: its label. */
  label?: string;
  /** Of a file system that udev knows: its UUID. */
  uuid?: string;
  /** Of a file system that udev knows: its type, as in `vfat`. */
  fileSystem?: string;
}
