import type { USBRedisConfig } from '../types/config.js';
import type { USBDeviceDescriptor, USBDeviceInfo } from '../types/device.js';
import type { USBError } from '../types/events.js';
import type { USBEvent } from '../types/stream.js';

/** Publishes events that no daemon knows of, each once, and finds the entries of those that one does. */
export class USBEventPublisher {
  /** Connects when it is first asked for something. @throws {USBError} `ERR_USB_CONFIG` */
  constructor(redis?: USBRedisConfig);

  /**
   * Adds an entry and gives its ID. For an info that has an `eventId` it writes nothing: it gives the ID of the entry
   * that its daemon writes, and waits for it.
   *
   * @throws {TypeError} `ERR_USB_ARGUMENT`: the action is no text
   * @throws {USBError} `ERR_USB_DEVICE`: the info is malformed, and the message names the field; `ERR_USB_REDIS`: not done within `timeout_ms`, and the
   * message says whether the event is published; `ERR_USB_NOT_RUNNING`: closed
   */
  publishUSBEvent(action: 'attach' | 'detach', info: USBPublishableInfo): Promise<string>;

  /**
   * The last entries, the newest first, as Redis gives them: ID, then names and values in turn.
   *
   * @throws {RangeError} `ERR_USB_ARGUMENT`
   */
  getRecentEvents(count?: number): Promise<Array<[id: string, fields: string[]]>>;

  /** Makes a consumer group that begins with what comes from now on; one of this name that is there stays as it is. @throws {TypeError} `ERR_USB_ARGUMENT` */
  createConsumerGroup(groupName: string): Promise<void>;

  /** Waits for what has been asked, then disconnects. */
  close(): Promise<void>;
}

/**
 * What an event needs at least; the rest of {@link USBDeviceInfo} is taken where it is there, in the form and within the bounds
 * that it has there and in {@link USBEvent}. Null is as good as missing.
 */
export type USBPublishableInfo = Pick<USBDeviceInfo, 'vendorId' | 'productId'> & {
  /** Where the device is, or was; `0`, a root hub, where there is no `portPath`. */
  location: { busNumber: number; deviceAddress: number; portPath?: string };
  /** What is known of it, 0 for the rest; the IDs are `vendorId` and `productId` in any case. */
  deviceDescriptor?: Partial<USBDeviceDescriptor>;
} & Partial<Omit<USBDeviceInfo, 'vendorId' | 'productId' | 'location' | 'deviceDescriptor'>>;
