// What a daemon says by itself: its events by name, and what they carry.

import type { USBDeviceInfo } from './device.js';
import type { USBSourceName } from './config.js';
import type { USBDeviceReady } from './ready.js';

/** Events of a daemon by name, and what each carries. */
export interface Events {
  /** A device has come, or was there at the start. */
  'device:attach': [info: USBDeviceInfo];
  /** A device has left; with everything that was known at attach. */
  'device:detach': [info: USBDeviceInfo];
  /**
   * A device may be used now, after its attach; or it is known what stands in the way, at the latest after `ready.timeout_ms`. Then it is told
   * once more when nothing does any longer. None of a device that has left before, nor of one that is simulated or reported by a program.
   * Linux alone tells it.
   */
  'device:ready': [ready: USBDeviceReady];
  /** {@link USBDaemon.start} is done: every device that is present has been announced. */
  started: [];
  /** {@link USBDaemon.stop} is done: nothing further comes before the next start. */
  stopped: [];
  /**
   * Something failed that does not stop the daemon; `context` says where. Without a listener it is not thrown. A handler of
   * {@link USBDaemon.dispatch} that failed is ERR_USB_HANDLER, with what it threw as `cause`.
   */
  error: [error: USBError, context: string];
  /** Redis has acknowledged an event. */
  'event:published': [published: USBPublished];
  /** Events may have been missed. */
  gap: [gap: USBGap];
  /** A source has changed its state, or has told it for the first time. */
  'source:state': [status: USBSourceStatus];
  /** The connection to Redis has come or gone. */
  'redis:state': [status: USBRedisStatus];
  /** A rule of `drivers.rules` has had something done for a device without a driver, or has failed. Linux only. */
  driver: [report: USBDriverReport];
  /**
   * A line of the daemon's log, from the level on that `initializeTracing` or LOG_LEVEL names. Without a listener no lines are
   * made, but for those that go to a collector by OTLP while the daemon runs; and in no case are any written to stdout or stderr.
   * A listener may be as slow as it likes: events do not wait for it.
   */
  log: [line: USBLogLine];
}

/** What a rule of `drivers.rules` has come to with one device. */
export interface USBDriverReport {
  /**
   * `bound`: an interface has got a driver; `denied`, `authorized`: the kernel uses nothing of the device any more, or uses it again;
   * `planned`: that would be done, were it not for `drivers.dry_run`; `failed`: it was tried as often as it may be,
   * the helper has refused it, or the device has got no interfaces.
   */
  state: 'bound' | 'denied' | 'authorized' | 'planned' | 'failed';
  /** As {@link USBDeviceInfo.signature}. */
  signature: string;
  /** As {@link USBDeviceInfo.eventId}, of the attach that this followed. */
  eventId: string;
  /** What the kernel calls the device: `1-4.2`. */
  device: string;
  /** Which rule, counted from 0. */
  rule: number;
  /** Interfaces that had no driver and have one now. */
  interfaces: {
    /** What the kernel calls it: `1-4.2:1.0`. */
    name: string;
    /** Its driver. */
    driver: string;
    /** Whether the kernel's `bind` uevent has said so as well; false where none can be heard, and sysfs alone says so. */
    heard: boolean;
  }[];
  /** What was asked for, in order, as the helper is asked: `module usbserial`, `new-id generic 1209 dead`. */
  requests: string[];
  /** How often it was tried; 0 where it was only planned, or there were never interfaces to try it with. */
  attempts: number;
  /** Why it has failed; with `bound`, what has failed all the same; absent where nothing has. */
  reason?: string;
  /** When, in ms since 1970. */
  timestamp: number;
}

/** One line of a log. */
export interface USBLogLine {
  /** `error`: data is lost, or somebody is needed; `warn`: something is worse and recovering; `info`: life cycle; `debug`: each event. */
  level: 'error' | 'warn' | 'info' | 'debug' | 'trace';
  /** Which part of the daemon says so. */
  target: string;
  /** What: always the same text, but for errors. */
  message: string;
  /**
   * About what; names may come and go. A device's strings are as the device has them. `lost`, of the line whose target ends
   * in `::log`: so many lines found no room here, because listeners took too long (1024 may wait).
   */
  fields: Record<string, string | number | boolean>;
  /** When, in ms since 1970. */
  timestamp: number;
  /** As {@link USBDeviceInfo.eventId}, of the event that the line is about: each step that the event takes has a line at `debug`. */
  eventId?: string;
}

/** A device that came or left. */
interface Transition<Type extends 'attach' | 'detach'> {
  /** Which of the two. */
  type: Type;
  /** The device, as the event `device:attach` or `device:detach` has it. */
  device: USBDeviceInfo;
  /** `<producer>:<seq>`; never comes again. */
  eventId: string;
  /** From 1, without holes, within one producer. */
  seq: number;
}

/** A device has come. */
export type USBAttachEvent = Transition<'attach'>;
/** A device has left; with everything that was known at attach. */
export type USBDetachEvent = Transition<'detach'>;
/** What an iterator of {@link USBDaemon.events} gives; `type` tells which. */
export type USBTransition = USBAttachEvent | USBDetachEvent;

/** What {@link USBDaemon.events} gives. Calls of `next()` are answered in their order. */
export interface USBEventStream extends AsyncIterableIterator<USBTransition> {
  /** Unsubscribes; a `next()` that waits ends with it. So does breaking out of `for await`. */
  return(): Promise<IteratorResult<USBTransition, undefined>>;
  /** Itself, for `for await`. */
  [Symbol.asyncIterator](): USBEventStream;
  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A stretch in which events may have been missed. What reconciliation found follows as synthetic events. */
export interface USBGap {
  /** Where: the uevent socket, this process's event loop, or the wait for Redis. */
  source: 'netlink' | 'delivery' | 'outbox';
  /**
   * `overflow`: the kernel's buffer was too small; `unheard`: a comparison with sysfs found what no uevent had told;
   * `socket-lost`: the uevent socket failed and was opened again; `queue-full`: too many events waited for this process's
   * event loop; `outbox-full`: too many waited for Redis or the disk.
   */
  cause: 'overflow' | 'unheard' | 'socket-lost' | 'queue-full' | 'outbox-full';
  /** Transitions known to be lost, where that can be known. */
  lost?: number;
  /** When it was noticed, in ms since 1970. */
  timestamp: number;
  /** Synthetic events that follow. */
  synthesized: number;
}

/** How a source is doing. */
export interface USBSourceStatus {
  /**
   * Which one; `inotify`, which watches `/dev/bus/usb`, belongs to `snapshot`, and so does `watcher`, which hears devices come and
   * go on macOS and Windows.
   */
  source: USBSourceName | 'inotify' | 'watcher';
  /**
   * `up`: it hears. `deaf`: open, but proven to miss events. `failed`: it worked, and is tried again. `unavailable`: this
   * environment does not have it; it is tried again. `off`: by configuration.
   */
  state: 'up' | 'deaf' | 'failed' | 'unavailable' | 'off';
  /** Why, or what it obtained. */
  reason: string;
}

/** How the connection to Redis is. */
export interface USBRedisStatus {
  /** Whether it is there. */
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

/** An event that Redis has acknowledged. */
export interface USBPublished {
  /** As {@link USBDeviceInfo.eventId}. */
  eventId: string;
  /** ID of the event's entry in the stream; empty where a reply was lost and the entry is no longer to be found. */
  streamId: string;
  /** Whether the device came or left. */
  action: 'attach' | 'detach';
  /** The device, as the event has it. */
  device: USBDeviceInfo;
}

/** An error with a stable code. */
export interface USBError extends Error {
  /** What went wrong; the message may change, this does not. */
  code:
    | 'ERR_USB_ADDON'
    | 'ERR_USB_ARGUMENT'
    | 'ERR_USB_AT_LEAST_ONCE'
    | 'ERR_USB_CONFIG'
    | 'ERR_USB_CONSUMER'
    | 'ERR_USB_DEVICE'
    | 'ERR_USB_DRIVER'
    | 'ERR_USB_ENTRY'
    | 'ERR_USB_HANDLER'
    | 'ERR_USB_HISTORY'
    | 'ERR_USB_LAG'
    | 'ERR_USB_NOT_RUNNING'
    | 'ERR_USB_OUTBOX'
    | 'ERR_USB_OVERRUN'
    | 'ERR_USB_PORT'
    | 'ERR_USB_REDIS'
    | 'ERR_USB_REDIS_RESET'
    | 'ERR_USB_SECOND_PRODUCER'
    | 'ERR_USB_SOURCE'
    | 'ERR_USB_SPOOL'
    | 'ERR_USB_SYSTEM'
    | 'ERR_USB_TIMEOUT'
    | 'ERR_USB_UDEV';
}
