import { EventEmitter } from 'node:events';
import { USBEventConsumer } from './js/consumer.js';
import { USBEventPublisher, USBPublishableInfo } from './js/event-publisher.js';
import type {
  USBDaemonConfig,
  USBDriverRule,
  USBDriversConfig,
  USBFallbackConfig,
  USBFilterConfig,
  USBFilterMatch,
  USBFilterRule,
  USBMonitoringOptions,
  USBOutboxConfig,
  USBPerformanceConfig,
  USBReadyConfig,
  USBRedisConfig,
  USBSourceName,
  USBSourceSwitches,
} from './types/config.js';
import type {
  SimulatedDevice,
  USBDeviceDescription,
  USBDeviceDescriptor,
  USBDeviceFilter,
  USBDeviceInfo,
  USBDeviceLike,
  USBIdentification,
  USBInterfaceClass,
  USBManifestMatch,
  USBNumber,
  USBPower,
  USBUnit,
} from './types/device.js';
import type {
  Events,
  USBAttachEvent,
  USBDetachEvent,
  USBDriverReport,
  USBError,
  USBEventStream,
  USBGap,
  USBLogLine,
  USBPublished,
  USBRedisStatus,
  USBSourceStatus,
  USBTransition,
} from './types/events.js';
import type {
  Health,
  USBDaemonStats,
  USBDaemonStatus,
  USBEventLoopHealth,
  USBMonitoringConfig,
  USBOutboxStatus,
  USBRedisHealth,
  USBSourceHealth,
} from './types/status.js';
import type { USBDeviceNode, USBDeviceReady, USBObstacle, USBReadyInterface } from './types/ready.js';
import type { ConsumerEvents, USBConsumerOptions, USBDeadLetter, USBEvent } from './types/stream.js';

/** Daemon that tells of USB devices as they come and go, and publishes each transition to a Redis stream. */
declare class USBDaemon extends EventEmitter<Events> {
  /**
   * Checks the configuration; nothing is opened before {@link start}. Options of ioredis that have no effect in `redis` are
   * process warnings with the code `USB_CONFIG`.
   *
   * @throws {USBError} `ERR_USB_CONFIG`: bad values and unknown keys, each named in the message.
   */
  constructor(config?: USBDaemonConfig);

  /** Whether `started` has been told and {@link stop} has not been called since. */
  readonly isRunning: boolean;

  /**
   * Starts to listen. Resolves once every device that is present has been announced by `device:attach` with
   * `synthetic: 'startup'`. Waits for no Redis; a source that cannot start is told by `source:state` and tried again.
   * A second call gives the first one's promise.
   *
   * @throws {USBError} `ERR_USB_SYSTEM`: the process can have no further thread or file descriptor;
   * `ERR_USB_OUTBOX`: the outbox is `required` and cannot be used.
   */
  start(): Promise<void>;

  /**
   * Stops listening, gives events that still wait for Redis `shutdown_ms`, and ends every thread (one that waits for a
   * driver that hangs ends when that does). No detach is announced. Afterwards the process may end by itself, and {@link start} may be called again.
   */
  stop(): Promise<void>;

  /** {@link stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;

  /** Devices that are attached, as their attach event described them, in the order in which they came. */
  getConnectedDevices(): USBDeviceInfo[];

  /**
   * The same by signature: one Map for ever, which follows the devices. It is read-only: `set`, `delete` and `clear` throw a
   * TypeError. Devices that a filter holds back are not in it.
   */
  readonly connectedDevices: ReadonlyMap<string, USBDeviceInfo>;

  /** The device that is attached under this signature; undefined where there is none. */
  getDeviceBySignature(signature: string): USBDeviceInfo | undefined;

  /** Whether a device is attached under this signature. */
  isDeviceConnected(signature: string): boolean;

  /**
   * Which unit an event is about, what that rests on and why, and the device under that name that is attached now. Serial numbers that
   * two devices have had at once are known from {@link start} on, as far as `outbox.path` has kept them (1024; the first are forgotten
   * first). A daemon that does not run has nothing attached.
   *
   *     const { certain, connected } = daemon.identify(info);
   *     if (connected) console.log(certain ? 'that unit' : 'one like it, on the same port', connected.location.portPath);
   *
   * @param info of an attach or a detach, from the history, or a consumer's event
   * @throws {USBError} `ERR_USB_DEVICE`: it is none; the message names the field
   */
  identify(info: USBDeviceInfo | USBEvent): USBIdentification;

  /** How the daemon is and what is connected; also of one that does not run. */
  getStats(): USBDaemonStats;

  /** The same in AutoWeave's former shape. */
  getStatus(): USBDaemonStatus;

  /**
   * Tells the daemon of a device that has come, as an object of the npm package `usb`. It is announced, stored and published
   * like any other, with `backend: 'injected'`. Such devices are told apart by bus and address. Resolves once the event is
   * stored, emitted and visible in {@link connectedDevices}; where the device is connected already there is no event, and it
   * resolves as well.
   *
   * Calls take effect in their order. The device is read at the call, but for its strings, which are waited for 1000 ms at most.
   *
   * @throws {USBError} `ERR_USB_DEVICE`: the object is malformed; the message says where. Nothing else has changed.
   * `ERR_USB_NOT_RUNNING`: {@link start} has not resolved, or the daemon has stopped meanwhile.
   */
  handleDeviceAttach(device: USBDeviceLike): Promise<void>;

  /**
   * Tells the daemon that a device has left. Only its identity is read, and it is not opened. Where it is not known, there is
   * no event.
   *
   * @throws {USBError} as {@link handleDeviceAttach}
   */
  handleDeviceDetach(device: USBDeviceLike): Promise<void>;

  /**
   * The first matching device: of those present, else of those that attach.
   *
   * @param match what it has to be, as a plain object, or a function that says so at once
   * @param options `timeout` in ms, none where absent
   * @throws {TypeError} `ERR_USB_ARGUMENT`: a bad match or option, named in the message
   * @throws {USBError} `ERR_USB_TIMEOUT`; `ERR_USB_NOT_RUNNING`: the daemon was not started, or stops
   * @throws {Error} an AbortError (`name`), with the signal's reason as `cause`
   */
  waitFor(
    match: USBDeviceDescription | ((device: USBDeviceInfo) => boolean),
    options?: { signal?: AbortSignal; timeout?: number },
  ): Promise<USBDeviceInfo>;

  /**
   * The first device that `match` means and that may be used: one of which that has been told, else the next. With its nodes: what can be opened
   * is in `nodes`. Linux only.
   *
   * @param match as of {@link waitFor}
   * @throws {TypeError} `ERR_USB_ARGUMENT`: a bad match or option, named in the message
   * @throws {USBError} `ERR_USB_TIMEOUT`, with what stood in the way of a device that was there; `ERR_USB_NOT_RUNNING`: the daemon was not
   * started, or stops; `ERR_USB_SOURCE`: nothing looks, because `ready.enabled` is false or this is not Linux
   * @throws {Error} an AbortError (`name`), with the signal's reason as `cause`
   */
  waitForReady(
    match: USBDeviceDescription | ((device: USBDeviceInfo) => boolean),
    options?: { signal?: AbortSignal; timeout?: number },
  ): Promise<USBDeviceReady>;

  /**
   * Hands devices to handlers: those that are present in a moment, then each as it comes and goes. `onDetach` is called only for
   * devices for which `onAttach` was; it does not wait for what that has returned. Lasts over stops and starts: what is there
   * after a start attaches anew. A handler that throws or rejects is told by `error`, and hinders no other.
   *
   * @param match permissions of an AutoWeave manifest, as a plain object, or a function that says at once whether it is meant
   * @param handlers one of them at least; called as methods of this object, which may have more in it. `onReady` as `device:ready`,
   * after `onAttach` and before `onDetach`
   * @throws {TypeError} `ERR_USB_ARGUMENT`: a bad match or handler, named in the message
   */
  dispatch(
    match: USBManifestMatch | USBDeviceFilter | ((device: USBDeviceInfo) => boolean),
    handlers:
      | { onAttach(device: USBDeviceInfo): unknown; onReady?(ready: USBDeviceReady): unknown; onDetach?(device: USBDeviceInfo): unknown }
      | { onAttach?(device: USBDeviceInfo): unknown; onReady(ready: USBDeviceReady): unknown; onDetach?(device: USBDeviceInfo): unknown }
      | { onAttach?(device: USBDeviceInfo): unknown; onReady?(ready: USBDeviceReady): unknown; onDetach(device: USBDeviceInfo): unknown },
  ): USBDispatch;

  /**
   * Transitions, from this call on, until the daemon stops. Up to `outbox.max_events` wait to be taken; with `since`, what is
   * more than that is read from the outbox when its turn comes.
   *
   *     for await (const { type, device } of daemon.events({ signal })) console.log(type, device.stableId);
   *
   * @param options `since`: an event's `eventId`, or its number in this daemon's series: what the outbox has kept after it
   * comes first (0: all that it has kept), and none is left out or given twice. Where the daemon stops before all of that has
   * been read, this ends with ERR_USB_HISTORY, which says where to go on; else it ends as without `since`
   * @throws {TypeError} `ERR_USB_ARGUMENT`, at the call
   * @throws {USBError} at the call `ERR_USB_NOT_RUNNING`: the daemon was not started. From `next()`: `ERR_USB_OVERRUN`: too many
   * wait and there is no `since`; the message says where to go on. `ERR_USB_HISTORY`: what follows `since`, or an event after that,
   * is no longer kept or was never here, or the daemon has stopped before it was read
   * @throws {Error} from `next()`: an AbortError (`name`), with the signal's reason as `cause`; what waits is given up
   */
  events(options?: { signal?: AbortSignal; since?: string | number }): USBEventStream;

  /**
   * State of sources, Redis and the daemon itself.
   *
   * @throws {USBError} `ERR_USB_NOT_RUNNING`
   */
  getHealth(): Health;

  /** Lets a started daemon keep the process alive; so it does unless {@link unref} was called. */
  ref(): this;

  /** Lets the process end although the daemon is running; not while {@link start} or {@link stop} is under way. */
  unref(): this;

  /**
   * Plugs in a simulated device; takes `sources.simulated`.
   *
   * @throws {USBError} `ERR_USB_DEVICE`, `ERR_USB_SOURCE`, `ERR_USB_NOT_RUNNING`
   */
  simulateAttach(device: SimulatedDevice): void;

  /**
   * Pulls the simulated device at a port, by its name (`200-1.2`).
   *
   * @throws {USBError} `ERR_USB_DEVICE`, `ERR_USB_SOURCE`, `ERR_USB_NOT_RUNNING`
   */
  simulateDetach(port: string): void;
}

/** What ends a {@link USBDaemon.dispatch}. */
interface USBDispatch {
  /** Ends it: no handler is called any more. A second call does nothing. */
  dispose(): void;
  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void;
}

/** What {@link USBDaemon.initializeTracing} has the package tell. */
interface USBTracingOptions {
  /** Least level that the event `log` tells; default LOG_LEVEL, else `info`. */
  level?: 'off' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
  /**
   * Whether the addon exports by itself, by OTLP, where the variables `OTEL_*` name a collector; default true. With false, or without
   * a collector, traces and figures are given to the SDK behind `@opentelemetry/api`, if the process has one.
   */
  otlp?: boolean;
}

declare namespace USBDaemon {
  export { USBDaemon, USBDaemon as default, USBEventConsumer, USBEventPublisher };

  /** Defaults, with REDIS_HOST, REDIS_PORT, REDIS_DB and REDIS_PASSWORD taken in. */
  export const defaultConfig: Readonly<USBDaemonConfig>;

  /** A daemon that has started. Rejects as the constructor and {@link USBDaemon.start} do. */
  export function createUSBDaemon(config?: USBDaemonConfig): Promise<USBDaemon>;

  /**
   * Whether both are about the same unit, as {@link USBDeviceDescription.sameUnitAs} asks: for a consumer's events and those of
   * {@link USBDaemon.events}. An event that says of which machine it is (`host`) is about another port than one of another machine.
   *
   * @throws {TypeError} `ERR_USB_ARGUMENT`: one of them has no `stableId`
   */
  export function isSameUnit(one: USBUnit, other: USBUnit): boolean;

  /**
   * Sets the level of the event `log`, of all daemons and consumers of this thread (a worker has its own), those that run
   * already too; not needed where LOG_LEVEL, or else `info`, is right. And:
   *
   * Has daemons that start from now on, in this thread, take part in OpenTelemetry: as the standard variables `OTEL_*` say, which are
   * read at the call. Traces, metrics and logs go out by OTLP (http/protobuf) from a thread of the addon, if there is an endpoint or an
   * exporter in them. Traces and metrics that do not are the host's to export, if an SDK has been registered with `@opentelemetry/api`
   * before this call; lines of the log are told by the event `log`, and given to no SDK.
   * Nothing is exported twice, and nothing is set globally. A collector that is away or slow delays no event, and
   * {@link USBDaemon.stop} by a second at most.
   *
   * Each event is one trace, whose `traceparent` is in the stream. Handlers of a {@link USBEventConsumer} run within it: the active
   * context of `@opentelemetry/api`, where the process has that package, holds a span that continues it, and says how a handler fails.
   *
   * What has no effect in the variables is a process warning with the code `USB_CONFIG`. A further call holds from then on. An SDK that
   * throws is a warning with the code `USB_TELEMETRY`, once, and what it was to be told is dropped; events and handlers go on.
   *
   * @throws {USBError} `ERR_USB_CONFIG`: a bad option or an unknown key
   */
  export function initializeTracing(options?: USBTracingOptions): void;

  export type {
    ConsumerEvents,
    Events,
    Health,
    SimulatedDevice,
    USBAttachEvent,
    USBConsumerOptions,
    USBDaemonConfig,
    USBDaemonStats,
    USBDaemonStatus,
    USBDeadLetter,
    USBDetachEvent,
    USBDeviceDescription,
    USBDeviceDescriptor,
    USBDeviceFilter,
    USBDeviceInfo,
    USBDeviceLike,
    USBDeviceNode,
    USBDeviceReady,
    USBDispatch,
    USBDriverReport,
    USBDriverRule,
    USBDriversConfig,
    USBError,
    USBEvent,
    USBEventLoopHealth,
    USBEventStream,
    USBFallbackConfig,
    USBFilterConfig,
    USBFilterMatch,
    USBFilterRule,
    USBGap,
    USBIdentification,
    USBInterfaceClass,
    USBLogLine,
    USBManifestMatch,
    USBMonitoringConfig,
    USBMonitoringOptions,
    USBNumber,
    USBObstacle,
    USBOutboxConfig,
    USBOutboxStatus,
    USBPerformanceConfig,
    USBPower,
    USBPublishableInfo,
    USBPublished,
    USBReadyConfig,
    USBReadyInterface,
    USBRedisConfig,
    USBRedisHealth,
    USBRedisStatus,
    USBSourceHealth,
    USBSourceName,
    USBSourceStatus,
    USBSourceSwitches,
    USBTracingOptions,
    USBTransition,
    USBUnit,
  };
}

export = USBDaemon;
