import { EventEmitter } from 'node:events';

/** Daemon that tells of USB devices as they come and go, and publishes each transition to a Redis stream. */
declare class USBDaemon extends EventEmitter<USBDaemon.Events> {
  /**
   * Checks the configuration; nothing is opened before {@link start}.
   *
   * @throws {USBDaemon.USBError} `ERR_USB_CONFIG`: a bad value or an unknown key, named in the message.
   */
  constructor(config?: USBDaemon.USBDaemonConfig);

  /** Whether {@link start} has resolved and {@link stop} has not been called since. */
  readonly isRunning: boolean;

  /**
   * Starts to listen. Resolves once every device that is present has been announced by `device:attach` with
   * `synthetic: 'startup'`. Waits for no Redis; a source that cannot start is told by `source:state` and tried again.
   * A second call gives the first one's promise.
   *
   * @throws {USBDaemon.USBError} `ERR_USB_SYSTEM`: the process can have no further thread or file descriptor.
   */
  start(): Promise<void>;

  /**
   * Stops listening, gives events that still wait for Redis `shutdown_ms`, and ends every thread (one that waits for a
   * driver that hangs ends when that does). No detach is announced. Afterwards the process may end by itself, and {@link start} may be called again.
   */
  stop(): Promise<void>;

  /** Devices that are attached, as their attach event described them, in the order in which they came. */
  getConnectedDevices(): USBDaemon.USBDeviceInfo[];

  /**
   * State of sources, Redis and the daemon itself.
   *
   * @throws {USBDaemon.USBError} `ERR_USB_NOT_RUNNING`
   */
  getHealth(): USBDaemon.Health;

  /** Lets a started daemon keep the process alive; so it does unless {@link unref} was called. */
  ref(): this;

  /** Lets the process end although the daemon is running. */
  unref(): this;

  /**
   * Plugs in a simulated device; takes `sources.simulated`.
   *
   * @throws {USBDaemon.USBError} `ERR_USB_DEVICE`, `ERR_USB_SOURCE`, `ERR_USB_NOT_RUNNING`
   */
  simulateAttach(device: USBDaemon.SimulatedDevice): void;

  /**
   * Pulls the simulated device at a port, by its name (`200-1.2`).
   *
   * @throws {USBDaemon.USBError} `ERR_USB_DEVICE`, `ERR_USB_SOURCE`, `ERR_USB_NOT_RUNNING`
   */
  simulateDetach(port: string): void;
}

declare namespace USBDaemon {
  export { USBDaemon, USBDaemon as default };

  /** Defaults, with REDIS_HOST, REDIS_PORT, REDIS_DB and REDIS_PASSWORD taken in. */
  export const defaultConfig: Readonly<USBDaemonConfig>;

  /** Every key is optional; `undefined` is as good as missing. */
  export interface USBDaemonConfig {
    /** Where events are published; `false` publishes nothing. */
    redis?: USBRedisConfig | false;
    monitoring?: USBMonitoringConfig;
    performance?: {
      /** Events that one publish carries at most; 1 to 10,000, default 10. */
      batch_size?: number;
    };
    outbox?: {
      /** Events that may wait for Redis, and separately for this process's event loop, before a gap is reported; default 100,000. */
      max_events?: number;
    };
    /** Which sources listen: names, or a switch or options for each. Default: all but `simulated`. */
    sources?: USBSourceName[] | USBSourceSwitches;
    /** Time in ms that `stop()` gives to events that still wait for Redis; default 2000. */
    shutdown_ms?: number;
  }

  export type USBSourceName = 'netlink' | 'libusb' | 'snapshot' | 'simulated';

  export interface USBSourceSwitches {
    /** The kernel's uevents. `receive_buffer` in bytes; as large as allowed where absent. */
    netlink?: boolean | { receive_buffer?: number };
    /** libusb's hotplug callbacks. */
    libusb?: boolean;
    /** Comparison with sysfs. */
    snapshot?: boolean;
    /** Scripted devices, for tests and demonstrations. */
    simulated?: boolean;
  }

  export interface USBRedisConfig {
    /** Default REDIS_HOST, else `localhost`. */
    host?: string;
    /** Default REDIS_PORT, else 6379. */
    port?: number;
    /** Database number; default REDIS_DB, else 0. */
    db?: number;
    /** ACL user. */
    username?: string;
    /** Default REDIS_PASSWORD. Never printed. */
    password?: string;
    /** Key of the stream; default `aw:hotplug`. */
    stream?: string;
    /** Time in ms after which a connection attempt or an answer counts as failed; default 2000. */
    timeout_ms?: number;
  }

  export interface USBMonitoringConfig {
    /** Whether the HTTP server runs; default true. */
    enabled?: boolean;
    /** Address that it listens on; default 127.0.0.1. */
    host?: string;
    /** Port that it listens on; default 8080. */
    healthcheck_port?: number;
    /** Reconcile period in ms, whether or not the server runs; 10 to 86,400,000, default 5000. */
    interval?: number;
  }

  /** USB's device descriptor. Of a `partial` device that had left, only IDs, class and release are known, the rest is 0. */
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
    vendorId: number;
    productId: number;
    deviceDescriptor: USBDeviceDescriptor;
    serialNumber?: string;
    manufacturer?: string;
    product?: string;
    location: {
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
    /** `vvvv:pppp:<serial>` where the serial number identifies the unit, else `vvvv:pppp@<bus path>-<ports>`. */
    stableId: string;
    /** What `stableId` rests on. */
    identity: 'serial' | 'port';
    /** Distinct interface classes of all configurations, in the descriptors' order. */
    interfaces: USBInterfaceClass[];
    /** Mbit/s, where known. */
    speed?: number;
    /** What established the transition. */
    backend: 'netlink' | 'snapshot' | 'simulated';
    /** Set where reconciliation made the event. */
    synthetic?: 'startup' | 'gap';
    /**
     * Not all is known: the device had left before it could be read, or its driver kept its strings for longer than
     * 500 ms. What is missing is unknown, not absent.
     */
    partial: boolean;
  }

  export interface USBInterfaceClass {
    class: number;
    subclass: number;
    protocol: number;
  }

  /** A stretch in which events may have been missed. What reconciliation found follows as synthetic events. */
  export interface USBGap {
    /** Where: the uevent socket, this process's event loop, or the wait for Redis. */
    source: 'netlink' | 'delivery' | 'outbox';
    cause: 'overflow' | 'unheard' | 'socket-lost' | 'queue-full' | 'outbox-full';
    /** Transitions known to be lost, where that can be known. */
    lost?: number;
    /** When it was noticed, in ms since 1970. */
    timestamp: number;
    /** Synthetic events that follow. */
    synthesized: number;
  }

  export interface USBSourceStatus {
    source: USBSourceName | 'inotify';
    /** `deaf`: open, but proven to miss events. `unavailable`: this environment does not have it. */
    state: 'up' | 'deaf' | 'failed' | 'unavailable' | 'off';
    /** Why, or what it obtained. */
    reason: string;
  }

  export interface USBRedisStatus {
    connected: boolean;
    /** Host and port. */
    address: string;
    /** Why not, and what to do. */
    reason?: string;
    /** Events that waited when this was told. */
    waiting: number;
  }

  export interface USBPublished {
    eventId: string;
    /** ID of the event's entry in the stream. */
    streamId: string;
    action: 'attach' | 'detach';
    device: USBDeviceInfo;
  }

  export interface Health {
    /** `unhealthy`: no source can hear. `degraded`: a source that worked has failed, or Redis is away. */
    status: 'healthy' | 'degraded' | 'unhealthy';
    version: string;
    /** Seconds since start. */
    uptime: number;
    /** Whether the devices present at start have been announced. */
    started: boolean;
    sources: USBSourceStatus[];
    redis?: USBRedisStatus;
    connectedDevices: number;
    /** Transitions since start. */
    events: number;
    /** Gaps since start. */
    gaps: number;
  }

  /** A device to be simulated; strings that are absent the device does not have. */
  export interface SimulatedDevice {
    /** Where it is plugged in, as the kernel would call it: `200-1.2`. */
    name: string;
    vendorId?: number;
    productId?: number;
    manufacturer?: string;
    product?: string;
    serialNumber?: string;
    deviceClass?: number;
    interfaces?: USBInterfaceClass[];
    /** Mbit/s: `'480'`. */
    speed?: string;
  }

  /** An error with a stable code. */
  export interface USBError extends Error {
    code:
      | 'ERR_USB_CONFIG'
      | 'ERR_USB_DEVICE'
      | 'ERR_USB_NOT_RUNNING'
      | 'ERR_USB_PORT'
      | 'ERR_USB_REDIS'
      | 'ERR_USB_SOURCE'
      | 'ERR_USB_SYSTEM';
  }

  export interface Events {
    'device:attach': [info: USBDeviceInfo];
    /** With everything that was known at attach. */
    'device:detach': [info: USBDeviceInfo];
    started: [];
    stopped: [];
    /** Something failed that does not stop the daemon. Without a listener it is not thrown. */
    error: [error: USBError, context: string];
    /** Redis has acknowledged an event. */
    'event:published': [published: USBPublished];
    gap: [gap: USBGap];
    'source:state': [status: USBSourceStatus];
    'redis:state': [status: USBRedisStatus];
  }
}

export = USBDaemon;
