// What is in the stream, and how a consumer goes about it.

import type { USBDeviceDescriptor, USBDeviceInfo, USBInterfaceClass } from './device.js';
import type { USBError, USBLogLine } from './events.js';

/**
 * An event as it is in the stream, whoever wrote it. Fields that nobody knows are passed over. Where a known one is there more
 * than once, is no UTF-8, is longer than 64 KiB, or has not the form that is described here, the entry goes to the dead letters
 * as `ERR_USB_ENTRY`. Texts have 255 characters at most (`stableId` 4096, and a tag what its field has), numbers are exact.
 */
export interface USBEvent {
  /** ID of its entry in the stream. */
  messageId: string;
  /** What the entry says; where it says nothing, `udev` for the entries of a udev script, else `node-usb`. */
  source: 'node-usb' | 'udev' | (string & {});
  /** Whether the device came or left. */
  action: 'attach' | 'detach';
  /** 0 where the entry does not say: a udev script cannot know it of a device that has left. */
  vendorId: number;
  /** Like {@link vendorId}. */
  productId: number;
  /** 16 hex digits. Empty where the entry does not say; so the other texts. */
  deviceSignature: string;
  /** The device's own, which may hold any character; so the next two. */
  manufacturer: string;
  /** Like {@link manufacturer}. */
  product: string;
  /** Like {@link manufacturer}. */
  serialNumber: string;
  /** When the transition was observed, in ms since 1970; when its entry was written, where it does not say. */
  timestamp: number;
  /** USB's fields, each within its range; what the entry's JSON lacks is 0, but for the IDs. */
  deviceDescriptor: USBDeviceDescriptor | null;
  /** `portPath`: hub ports joined by dots, or `0`. */
  location: { busNumber: number; deviceAddress: number; portPath: string } | null;
  /** What follows is there where a daemon of this package wrote the entry. `eventId`, `<producer>:<seq>`, never comes again. */
  eventId?: string;
  /** From 1. */
  seq?: number;
  /** Name of the machine that the device is plugged into. */
  host?: string;
  /** What the entry says: a later version may know further words. */
  backend?: USBDeviceInfo['backend'] | (string & {});
  /** As {@link USBDeviceInfo.stableId}. `isSameUnit` compares two events by it, and `identify` of a daemon says what it rests on. */
  stableId?: string;
  /** Mbit/s, above 0. */
  speed?: number;
  /** Distinct interface classes; none where the entry does not say. */
  interfaces: USBInterfaceClass[];
  /** As {@link USBDeviceInfo.capabilities}: what follows from the interfaces alone. */
  capabilities: string[];
  /** What the entry says: a later version may know further words. */
  synthetic?: USBDeviceInfo['synthetic'] | (string & {});
  /** W3C's. */
  traceparent?: string;
  /** Not all is known. */
  partial: boolean;
  /** Labels that rules of `filters.rules` have given the device; each has a character at least. */
  tags?: string[];
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

/** An entry that has been moved to the stream `{<stream>}:dead`, with `dead_code`, `dead_reason` and its own fields. */
export interface USBDeadLetter {
  /** ID of the entry that it was in the stream. */
  messageId: string;
  /** `ERR_USB_ENTRY`: it cannot be read; `ERR_USB_HANDLER`: the handler has failed each time. */
  code: 'ERR_USB_ENTRY' | 'ERR_USB_HANDLER';
  /** Which field, what it holds and what was expected; or what the handler threw last, 1000 characters at most. */
  reason: string;
  /** How often the handler has had it; 0 where the entry cannot be read. */
  attempts: number;
}

/** Events of a consumer by name, and what each carries. */
export interface ConsumerEvents {
  /** An entry has been moved to the dead letters. */
  dead: [letter: USBDeadLetter];
  /** The connection to Redis has come or gone; `reason` says why it is not there. */
  'redis:state': [state: { connected: boolean; address: string; reason?: string }];
  /** Something failed that does not stop the consumer. Without a listener it is not thrown. */
  error: [error: USBError];
  /** As the event `log` of a daemon. */
  log: [line: USBLogLine];
}
