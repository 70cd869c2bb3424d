// What a daemon says by itself: its events by name, and what they carry.

import type { USBDeviceInfo } from './device.js';
import type { USBSourceName } from './config.js';

export interface Events {
  'device:attach': [info: USBDeviceInfo];
  /** With everything that was known at attach. */
  'device:detach': [info: USBDeviceInfo];
  started: [];
  stopped: [];
  /**
   * Something failed that does not stop the daemon; `context` says where. Without a listener it is not thrown. A handler of
   * {@link USBDaemon.dispatch} that failed is ERR_USB_HANDLER, with what it threw as `cause`.
   */
  error: [error: USBError, context: string];
  /** Redis has acknowledged an event. */
  'event:published': [published: USBPublished];
  gap: [gap: USBGap];
  'source:state': [status: USBSourceStatus];
  'redis:state': [status: USBRedisStatus];
}

interface Transition<Type extends 'attach' | 'detach'> {
  type: Type;
  device: USBDeviceInfo;
  /** `<producer>:<seq>`; never comes again. */
  eventId: string;
  /** From 1, without holes, within one producer. */
  seq: number;
}

export type USBAttachEvent = Transition<'attach'>;
/** With everything that was known at attach. */
export type USBDetachEvent = Transition<'detach'>;
/** What an iterator of {@link USBDaemon.events} gives; `type` tells which. */
export type USBTransition = USBAttachEvent | USBDetachEvent;

export interface USBEventStream extends AsyncIterableIterator<USBTransition> {
  /** Unsubscribes; a `next()` that waits ends with it. So does breaking out of `for await`. */
  return(): Promise<IteratorResult<USBTransition, undefined>>;
  [Symbol.asyncIterator](): USBEventStream;
  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
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

export interface USBPublished {
  eventId: string;
  /** ID of the event's entry in the stream; empty where a reply was lost and the entry is no longer to be found. */
  streamId: string;
  action: 'attach' | 'detach';
  device: USBDeviceInfo;
}

/** An error with a stable code. */
export interface USBError extends Error {
  code:
    | 'ERR_USB_ADDON'
    | 'ERR_USB_ARGUMENT'
    | 'ERR_USB_AT_LEAST_ONCE'
    | 'ERR_USB_CONFIG'
    | 'ERR_USB_CONSUMER'
    | 'ERR_USB_DEVICE'
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
    | 'ERR_USB_SYSTEM'
    | 'ERR_USB_TIMEOUT';
}
