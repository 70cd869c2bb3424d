// What a daemon is given at its making. A bad value or an unknown key is an ERR_USB_CONFIG that names it.

import type { Buffer } from 'node:buffer';
import type { USBNumber } from './device.js';

/** Every key is optional; `undefined` is as good as missing. */
export interface USBDaemonConfig {
  /** Where events are published; `false` publishes nothing. */
  redis?: USBRedisConfig | false;
  /** The HTTP server, and how often sources are reconciled. */
  monitoring?: USBMonitoringOptions;
  /** Which devices are told of. */
  filters?: USBFilterConfig;
  /** What is done for a device whose interface has no driver; Linux only. Without rules nothing is. */
  drivers?: USBDriversConfig;
  /** How fast events are published. */
  performance?: USBPerformanceConfig;
  /** What listens beside libusb. */
  fallback?: USBFallbackConfig;
  /** Where events are stored, and how many may wait. */
  outbox?: USBOutboxConfig;
  /** Which sources listen: names, or a switch or options for each. Default: all but `simulated`. */
  sources?: USBSourceName[] | USBSourceSwitches;
  /** When devices may be used, and what stands in the way: Linux tells that, other systems do not. */
  ready?: USBReadyConfig;
  /** What events call this machine; its own name where absent. In a container that is the container's. */
  host_name?: string;
  /** Time in ms that `stop()` gives to events that still wait for Redis; default 2000. A listener that is behind and goes on reading gets its own. */
  shutdown_ms?: number;
}

/** A source of transitions; {@link USBSourceSwitches} says what each is. */
export type USBSourceName = 'netlink' | 'libusb' | 'snapshot' | 'simulated';

/** Each source's switch; one that is absent is on, but for `simulated`. */
export interface USBSourceSwitches {
  /**
   * The kernel's uevents, which only Linux has. `receive_buffer` in bytes; as large as allowed where absent. `kernel_log` (true by default): a device's
   * strings are read from the kernel's log, where this process may read that, since sysfs keeps them back until drivers have been asked.
   */
  netlink?: boolean | { receive_buffer?: number; kernel_log?: boolean };
  /** libusb's hotplug callbacks; not on Windows. */
  libusb?: boolean;
  /** Comparison with sysfs; on macOS and Windows with what the system lists, which decides there. */
  snapshot?: boolean;
  /** Scripted devices, for tests and demonstrations. */
  simulated?: boolean;
}

/** Where events are stored before they are published. */
export interface USBOutboxConfig {
  /** The file, for one daemon at a time. In memory where absent or `:memory:`: what waits then ends with the process. */
  path?: string;
  /** Published events that are kept for `usb-daemon tail` and `on_reset: 'replay'`; default 100,000 on disk, 1,000 in memory. */
  retain?: number;
  /** Events that may wait for Redis, and separately for this process's event loop, before a gap is reported; default 100,000. */
  max_events?: number;
  /** Which events go when that many wait; default `drop-oldest`. Either way a `gap` event says how many. */
  when_full?: 'drop-oldest' | 'drop-newest';
  /** Each commit waits for the disk and survives a loss of power; default false: it survives a crash of the process. */
  fsync?: boolean;
  /** `start()` rejects with ERR_USB_OUTBOX where the file cannot be used; default false: events are kept in memory, and an `error` event says so. */
  required?: boolean;
}

/** Where events are published, and how. Options of ioredis that are not here bring a warning and have no effect. */
export interface USBRedisConfig {
  /** `redis://`, `rediss://` or `redis+unix://`; what it says goes before the keys below. */
  url?: string;
  /** Default REDIS_HOST, else `localhost`. */
  host?: string;
  /** Default REDIS_PORT, else 6379. */
  port?: number;
  /** Unix socket; goes before host and port. */
  path?: string;
  /** Encryption: true for the system's authorities, or certificates, each a PEM text, in a Buffer or not, or the name of a file. */
  tls?: boolean | { ca?: string | Buffer; cert?: string | Buffer; key?: string | Buffer };
  /** Database number; default REDIS_DB, else 0. */
  db?: number;
  /** ACL user. */
  username?: string;
  /** Default REDIS_PASSWORD. Never printed. */
  password?: string;
  /** Key of the stream; default `aw:hotplug`. */
  stream?: string;
  /**
   * Entries that the stream keeps; all of them where absent. What a consumer group has not acknowledged is kept
   * beyond that, and an `error` event (ERR_USB_LAG) names the group.
   */
  maxlen?: number;
  /**
   * What follows when the server has forgotten what it had taken (emptied, or another one): `continue` goes on with
   * the next event (default), `replay` publishes again what the outbox has kept. An `error` event says so either way.
   */
  on_reset?: 'continue' | 'replay';
  /** Time in ms after which a connection attempt or an answer counts as failed; default 2000. */
  timeout_ms?: number;
}

/** The HTTP server, and how often sources are reconciled. */
export interface USBMonitoringOptions {
  /** Whether the HTTP server runs; default true. */
  enabled?: boolean;
  /** Address that it listens on; default 127.0.0.1. */
  host?: string;
  /** Port that it listens on, 0 to 65535; 0 takes a free one, default 8080. */
  healthcheck_port?: number;
  /** Reconcile period in ms, whether or not the server runs; 10 to 86,400,000, default 5000. */
  interval?: number;
  /**
   * What a client has to show, as `Authorization: Bearer …`, for all but `/live`, `/ready` and the page itself: visible ASCII
   * characters. Without a token nothing can be changed over HTTP. Never printed.
   */
  token?: string;
  /** Names by which a client may call the server, beyond `localhost`, IP addresses and this machine's own name; without scheme and port. */
  allowed_hosts?: string[];
}

/**
 * Lists come before rules; an empty or missing list lets everything through. The detach of a device that was filtered is
 * filtered as well.
 */
export interface USBFilterConfig {
  /** Vendor IDs (numbers, or hex digits in a text); where any are named, only their devices are told of. */
  vendor_whitelist?: USBNumber[];
  /** Vendor IDs whose devices are not told of. */
  vendor_blacklist?: USBNumber[];
  /** Class codes; where any are named, only devices of such a class, or with such an interface, are told of. */
  device_class_filter?: number[];
  /**
   * File in USBGuard's rule language, such as `/etc/usbguard/rules.conf`: only devices that it allows are told of, after the lists and before the
   * rules. What no rule of it matches is blocked. `start()` rejects with ERR_USB_CONFIG where it cannot be read.
   */
  usbguard_rules?: string;
  /** In their order; the first `allow` or `deny` that fits decides, `tag` goes on to the next one. */
  rules?: USBFilterRule[];
}

/** A rule without `match` is about all devices. `tag` needs `tags`; `allow` may have some. */
export type USBFilterRule =
  | { match?: USBFilterMatch; action: 'allow' | 'deny'; tags?: string[] }
  | { match?: USBFilterMatch; action: 'tag'; tags: string[] };

/** All that is said has to fit. Texts are globs: `*` is any characters, `?` any one, `[AB]` one of these, `[!AB]` any other; `[[]` is a bracket. */
export interface USBFilterMatch {
  /** Vendor ID, 0 to 0xffff. */
  vendor_id?: USBNumber;
  /** Product ID, 0 to 0xffff. */
  product_id?: USBNumber;
  /** Glob for the serial number; a device without one has an empty one. So the next two. */
  serial?: string;
  /** Glob for the manufacturer. */
  manufacturer?: string;
  /** Glob for the product. */
  product?: string;
  /** Class of the device or of one of its interfaces, 0 to 255. */
  class?: number;
  /** Subclass of the same, 0 to 255. */
  subclass?: number;
  /** Protocol of the same, 0 to 255. */
  protocol?: number;
  /** Glob for what one of its interfaces is for, as in `info.capabilities`: `serial:*`, `hid:keyboard`. */
  capability?: string;
  /** Glob for the hub ports joined by dots, on any bus or with its own: `4.*`, `1-4.*`. */
  port_path?: string;
  /** Number of the bus, 0 to 65535. */
  bus_number?: number;
  /** Mbit/s. */
  speed?: number;
}

/** What is done for a device whose interface has no driver. */
export interface USBDriversConfig {
  /** The first that matches a device decides, for the devices that are told of. An interface that has a driver is left alone. */
  rules?: USBDriverRule[];
  /** Whether rules only say what they would do, as an event `driver`; default false. */
  dry_run?: boolean;
  /**
   * Unix socket behind which root carries out what its own list allows (`usb-daemon driver apply`). Where absent the daemon does it itself,
   * and needs the rights.
   */
  helper?: string;
}

/** With neither `module`, `driver` nor `authorized`, the module is loaded that the interface's modalias asks for. */
export interface USBDriverRule {
  /** Which devices it is about; it cannot be empty. */
  match: USBFilterMatch;
  /** Kernel module to load: `ftdi_sio`. */
  module?: string;
  /** Driver that is to have it, as below `/sys/bus/usb/drivers` or `/sys/bus/usb-serial/drivers`: `ftdi_sio`, `generic`. */
  driver?: string;
  /** Whether that driver is told that the device's ID is one of its own, until it is unloaded; default true. */
  new_id?: boolean;
  /** `false`: the kernel uses nothing of the device, `true`: it does. Alone, without module and driver. */
  authorized?: boolean;
  /** How often it is tried for each device; 1 to 10, default 3. */
  attempts?: number;
}

/** How events are published, and when two reports are about one transition. */
export interface USBPerformanceConfig {
  /** Events published in a second at most, after a second's worth at once; 0 is unlimited, default 100. What is more waits; nothing is dropped. */
  max_events_per_second?: number;
  /** Time in ms within which further reports of the same transition are no news; default 50. A new address is always news. */
  debounce_ms?: number;
  /** Events that one publish carries at most; 1 to 10,000, default 10. */
  batch_size?: number;
}

/** What listens beside libusb. */
export interface USBFallbackConfig {
  /** Whether the kernel's and udev's own events are heard; false leaves libusb and the snapshot. Default true on Linux. */
  enable_udev?: boolean;
  /** Where `usb-daemon udev install` puts the helper that udev calls. Default `/usr/local/bin/autoweave-udev-notify`. */
  udev_script_path?: string;
  /**
   * Folder in which that helper writes down what comes and goes: what a daemon has missed is told from there; `null`: nowhere.
   * One daemon takes what is in there. Default `/run/autoweave-usb/spool`.
   */
  spool_path?: string | null;
}

/** When devices may be used. */
export interface USBReadyConfig {
  /** Whether `device:ready` is told. Default true. */
  enabled?: boolean;
  /** Time in ms after which it is told of a device that is not ready, with what stands in the way: 1 to 600000. Default 10000. */
  timeout_ms?: number;
}
