import { EventEmitter } from 'node:events';
import type { USBRedisConfig } from '../types/config.js';
import type { USBError } from '../types/events.js';
import type { ConsumerEvents, USBConsumerOptions, USBEvent } from '../types/stream.js';

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
   * @throws {TypeError} `ERR_USB_ARGUMENT`: the handler is no function
   * @throws {USBError} `ERR_USB_CONSUMER`: it was started before; `ERR_USB_SYSTEM`
   */
  startConsuming(handler: (event: USBEvent) => unknown): Promise<void>;

  /**
   * Hands over nothing further, waits for the handlers in flight, and acknowledges what they have handled. A handler may
   * call it, and must not wait for it.
   */
  stop(): Promise<void>;
}
