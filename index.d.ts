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
   * @throws {USBDaemon.USBError} `ERR_USB_SYSTEM`: the process can have no further thread or file descriptor;
   * `ERR_USB_OUTBOX`: the outbox is `required` and cannot be used.
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
    outbox?: USBOutboxConfig;
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

  export interface USBRedisConfig {
    /** `redis://`, `rediss://` or `redis+unix://`; what it says goes before the keys below. */
    url?: string;
    /** Default REDIS_HOST, else `localhost`. */
    host?: string;
    /** Default REDIS_PORT, else 6379. */
    port?: number;
    /** Unix socket; goes before host and port. */
    path?: string;
    /** Encryption: true for the system's authorities, or certificates, each a PEM text or the name of a file. */
    tls?: boolean | { ca?: string; cert?: string; key?: string };
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
    backend: 'netlink' | 'libusb' | 'snapshot' | 'simulated' | 'injected' | 'udev-helper';
    /** Set where reconciliation made the event. */
    synthetic?: 'startup' | 'gap' | 'missed-while-down' | 'reboot';
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
    /** Host and port, or the path of a socket. */
    address: string;
    /** How often an event may get into the stream; known once connected. */
    delivery?: 'exactly-once' | 'at-least-once';
    /** Why not, and what to do. */
    reason?: string;
    /** Events that waited when this was told. */
    waiting: number;
  }

  /** At every moment `carriedOver + seen = published + filtered + waiting + dropped`. */
  export interface USBOutboxStatus {
    /** Whether what is stored outlives this process. */
    durable: boolean;
    path?: string;
    /** Why it is not durable although it was to be. */
    reason?: string;
    /** The series of numbers that events get. */
    producer: string;
    /** Number of the last event stored. */
    lastSeq: number;
    /** Events that waited at start, or came back to be published again. */
    carriedOver: number;
    /** Events stored since start. */
    seen: number;
    /** Events that Redis has acknowledged since start; with `redis: false`, events stored. */
    published: number;
    filtered: number;
    waiting: number;
    /** Events given up because too many waited; each told by a gap. */
    dropped: number;
  }

  export interface USBPublished {
    eventId: string;
    /** ID of the event's entry in the stream; empty where a reply was lost and the entry is no longer to be found. */
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
    outbox: USBOutboxStatus;
    /** Other daemons that publish this machine's events to the same stream: who, by producer. */
    otherProducers?: Record<string, string>;
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

  /** An event as it is in the stream, whoever wrote it. */
  export interface USBEvent {
    /** ID of its entry in the stream. */
    messageId: string;
    /** What the entry says; where it says nothing, `udev` for the entries of a udev script, else `node-usb`. */
    source: 'node-usb' | 'udev' | (string & {});
    action: 'attach' | 'detach';
    /** 0 where the entry does not say: a udev script cannot know it of a device that has left. */
    vendorId: number;
    productId: number;
    /** Empty where the entry does not say; so the other texts. */
    deviceSignature: string;
    manufacturer: string;
    product: string;
    serialNumber: string;
    /** When the transition was observed, in ms since 1970; when its entry was written, where it does not say. */
    timestamp: number;
    deviceDescriptor: USBDeviceDescriptor | null;
    location: { busNumber: number; deviceAddress: number; portPath: string } | null;
    /** What follows is there where a daemon of this package wrote the entry. `eventId` never comes again. */
    eventId?: string;
    seq?: number;
    host?: string;
    backend?: USBDeviceInfo['backend'];
    stableId?: string;
    /** Mbit/s. */
    speed?: number;
    interfaces: USBInterfaceClass[];
    synthetic?: USBDeviceInfo['synthetic'];
    traceparent?: string;
    /** Not all is known. */
    partial: boolean;
  }

  /** How a consumer goes about its work. */
  export interface USBConsumerOptions {
    /** Where a group that does not exist yet begins: `$`, what comes from now on (default); `0`, everything; or an entry's ID. */
    start_at?: string;
    /** Handlers in flight at most, 1 to 1000; default 1, and events are handled in order. */
    concurrency?: number;
    /** Entries read ahead at most, 1 to 10,000; default 10. */
    batch_size?: number;
    /** How often an event is given to the handler before it is a dead letter; default 5. */
    max_attempts?: number;
    /** Pause in ms after the first failure, doubled with each further one; default 100. */
    retry_ms?: number;
    /** The longest such pause in ms; default 10,000, or `retry_ms` if that is more. */
    retry_max_ms?: number;
    /**
     * Entries of a member that has given no sign of life for so many ms are taken over; at least 1000, or 0: never. Default
     * 60,000. It must be the same for all members of a group: each shows signs of life as often as its own value asks for.
     */
    claim_idle_ms?: number;
  }

  /** An entry that has been moved to the stream `{<stream>}:dead`, with `dead_reason` and its own fields. */
  export interface USBDeadLetter {
    messageId: string;
    reason: string;
    /** How often the handler has had it; 0 where the entry cannot be read. */
    attempts: number;
  }

  export interface ConsumerEvents {
    dead: [letter: USBDeadLetter];
    'redis:state': [state: { connected: boolean; address: string; reason?: string }];
    /** Something failed that does not stop the consumer. Without a listener it is not thrown. */
    error: [error: USBError];
  }

  /**
   * A member of a consumer group. An event is acknowledged once the handler's promise has resolved; until then it is given
   * again, to this member after its restart or to another one. Handlers may see an event more than once: `eventId` tells.
   */
  export class USBEventConsumer extends EventEmitter<ConsumerEvents> {
    /**
     * @param redis as {@link USBDaemonConfig.redis}
     * @param groupName default `plugin-loader`
     * @param consumerName default `main`; each member of a group has a name of its own, the same at each start
     * @throws {USBError} `ERR_USB_CONFIG`
     */
    constructor(redis?: USBRedisConfig, groupName?: string, consumerName?: string, options?: USBConsumerOptions);

    /** Whether events are being handed over. */
    readonly isRunning: boolean;

    /**
     * Makes the group if it is not there, takes up what this member has left, then goes on with what comes. Resolves once
     * the consumer has been stopped; waits for Redis as long as need be. Holds the process meanwhile.
     *
     * @throws {USBError} `ERR_USB_CONSUMER`: it was started before; `ERR_USB_SYSTEM`
     */
    startConsuming(handler: (event: USBEvent) => unknown): Promise<void>;

    /**
     * Hands over nothing further, waits for the handlers in flight, and acknowledges what they have handled. A handler may
     * call it, and must not wait for it.
     */
    stop(): Promise<void>;
  }

  /** Publishes events that no daemon knows of, each once, and finds the entries of those that one does. */
  export class USBEventPublisher {
    /** Connects when it is first asked for something. @throws {USBError} `ERR_USB_CONFIG` */
    constructor(redis?: USBRedisConfig);

    /**
     * Adds an entry and gives its ID. For an info that has an `eventId` it writes nothing: it gives the ID of the entry
     * that its daemon writes, and waits for it.
     *
     * @throws {USBError} `ERR_USB_DEVICE`: the info is malformed; `ERR_USB_REDIS`: not done within `timeout_ms`, and the
     * message says whether the event is published; `ERR_USB_NOT_RUNNING`: closed
     */
    publishUSBEvent(action: 'attach' | 'detach', info: USBPublishableInfo): Promise<string>;

    /** The last entries, the newest first, as Redis gives them: ID, then names and values in turn. */
    getRecentEvents(count?: number): Promise<Array<[id: string, fields: string[]]>>;

    /** Makes a consumer group that begins with what comes from now on; one of this name that is there stays as it is. */
    createConsumerGroup(groupName: string): Promise<void>;

    /** Waits for what has been asked, then disconnects. */
    close(): Promise<void>;
  }

  /** What an event needs at least; the rest of {@link USBDeviceInfo} is taken where it is there. */
  export type USBPublishableInfo = Pick<USBDeviceInfo, 'vendorId' | 'productId'> & {
    location: { busNumber: number; deviceAddress: number; portPath?: string };
    deviceDescriptor?: Partial<USBDeviceDescriptor>;
  } & Partial<Omit<USBDeviceInfo, 'vendorId' | 'productId' | 'location' | 'deviceDescriptor'>>;

  /** An error with a stable code. */
  export interface USBError extends Error {
    code:
      | 'ERR_USB_AT_LEAST_ONCE'
      | 'ERR_USB_CONFIG'
      | 'ERR_USB_CONSUMER'
      | 'ERR_USB_DEVICE'
      | 'ERR_USB_LAG'
      | 'ERR_USB_NOT_RUNNING'
      | 'ERR_USB_OUTBOX'
      | 'ERR_USB_PORT'
      | 'ERR_USB_REDIS'
      | 'ERR_USB_REDIS_RESET'
      | 'ERR_USB_SECOND_PRODUCER'
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
