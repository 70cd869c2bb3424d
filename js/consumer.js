'use strict';

const { EventEmitter, errorMonitor } = require('node:events');
const { NativeConsumer } = require('./native.js');
const { redisConfiguration } = require('./config.js');
const { currentTelemetry } = require('./current-telemetry.js');
const { shown } = require('./device-values.js');
const { badArgument, coded, jsonOf, reasonOf } = require('./failure.js');
const { watchListeners } = require('./listeners.js');
const { Log } = require('./log.js');
const { tell } = require('./tell.js');

/** Notices handled in one turn of the event loop; timers and I/O get theirs in between. */
const BATCH = 256;
/** The longest delay that a timer takes: it is there to hold the process, not to tick. */
const FOREVER = 0x7fffffff;

class USBEventConsumer extends EventEmitter {
  #native;
  #log = new Log(this);
  #handler = null;
  /** Where it reads, as which group. */
  #place;
  #state = 'new';
  #stopped = null;
  #onStopped;

  static {
    watchListeners(this.prototype, (consumer, event) => {
      if (event === 'log' || event === undefined) consumer.#log.lookAgain();
    });
  }

  constructor(redis = {}, groupName = 'plugin-loader', consumerName = 'main', options = {}) {
    super();
    const config = { redis: redisConfiguration(redis), groupName, consumerName, options };
    this.#place = { stream: config.redis.stream, group: groupName };
    const self = new WeakRef(this);
    const json = jsonOf(config, 'ERR_USB_CONFIG', 'the configuration');
    this.#native = new NativeConsumer(json, () => self.deref()?.#pump(), this.#log.native);
  }

  get isRunning() {
    return this.#state === 'running';
  }

  /** Resolves once the consumer has stopped, like the loop that it takes the place of. */
  async startConsuming(handler) {
    if (typeof handler !== 'function') throw badArgument(`startConsuming takes a function that gets each event: this is ${shown(handler)}`);
    if (this.#state !== 'new') {
      throw coded('ERR_USB_CONSUMER', `this consumer is ${this.#state}: make another one, with a name of its own`);
    }
    this.#handler = handler;
    this.#native.start(currentTelemetry()?.native);
    this.#state = 'running';
    const hold = setInterval(() => void this, FOREVER);
    await new Promise((resolve) => {
      this.#onStopped = resolve;
    });
    clearInterval(hold);
  }

  stop() {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop() {
    const wasRunning = this.#state === 'running';
    this.#state = 'stopped';
    if (!wasRunning) return;
    try {
      await this.#native.stop();
    } finally {
      // Also where there is no thread for an orderly stop: it has been ended all the same.
      this.#pump();
      this.#log.drain();
      this.#onStopped();
    }
  }

  #pump() {
    const { more, notices } = JSON.parse(this.#native.take(BATCH));
    for (const notice of notices) this.#handle(notice);
    if (more) setImmediate(() => this.#pump());
  }

  #handle(notice) {
    switch (notice.type) {
      case 'event':
        // What was on its way when the stop came is nobody's yet.
        if (this.#state === 'stopped') this.#native.release(notice.ticket);
        else this.#run(notice);
        break;
      case 'dead': {
        const { messageId, code, reason, attempts } = notice;
        tell(this, 'dead', { messageId, code, reason, attempts });
        break;
      }
      case 'redis': {
        const { connected, address, reason } = notice;
        tell(this, 'redis:state', { connected, address, ...(connected ? {} : { reason }) });
        break;
      }
      case 'error': {
        const error = coded(notice.code, notice.message);
        tell(this, errorMonitor, error);
        tell(this, 'error', error);
        break;
      }
    }
  }

  async #run({ ticket, event }) {
    try {
      const handle = () => this.#handler(event);
      const telemetry = currentTelemetry();
      await (telemetry === null ? handle() : telemetry.handling(event, this.#place, handle));
    } catch (thrown) {
      this.#native.settle(ticket, reasonOf(thrown));
      return;
    }
    this.#native.settle(ticket, null);
  }
}

module.exports = { USBEventConsumer };
