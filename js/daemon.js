'use strict';

const { EventEmitter, errorMonitor } = require('node:events');
const { NativeDaemon } = require('./native.js');
const { configurationJson } = require('./config.js');
const { coded, jsonOf } = require('./failure.js');
const { tell } = require('./tell.js');

/** Notices handled in one turn of the event loop; timers and I/O get theirs in between. */
const BATCH = 256;
/** The longest delay that a timer takes: it is there to hold the process, not to tick. */
const FOREVER = 0x7fffffff;

class USBDaemon extends EventEmitter {
  #native;
  #connected = new Map();
  /** What the last call of start or stop asked for, and its promise. */
  #wanted = 'stopped';
  #last = Promise.resolve();
  #running = false;
  #onStarted = null;
  #onStopped = null;
  #hold = null;
  #held = true;

  constructor(config = {}) {
    super();
    // Weakly: threads of the addon must not keep a daemon alive that nobody holds.
    const self = new WeakRef(this);
    this.#native = new NativeDaemon(configurationJson(config), () => self.deref()?.#pump());
    for (const warning of this.#native.warnings()) process.emitWarning(warning, { code: 'USB_CONFIG' });
    this.on('newListener', (event) => {
      if (event === 'event:published') this.#native.setWantsPublished(true);
    });
  }

  get isRunning() {
    return this.#running;
  }

  start() {
    return this.#ask('started', () => this.#start());
  }

  stop() {
    return this.#ask('stopped', () => this.#stop());
  }

  getConnectedDevices() {
    return [...this.#connected.values()];
  }

  ref() {
    this.#held = true;
    this.#hold?.ref();
    return this;
  }

  unref() {
    this.#held = false;
    this.#hold?.unref();
    return this;
  }

  getHealth() {
    return JSON.parse(this.#native.health());
  }

  simulateAttach(device) {
    this.#native.simulateAttach(jsonOf(device, 'ERR_USB_DEVICE', 'the simulated device'));
  }

  simulateDetach(port) {
    this.#native.simulateDetach(String(port));
  }

  /** Calls take effect in their order; one that asks for what is asked for already shares its promise. */
  #ask(wanted, act) {
    if (this.#wanted !== wanted) {
      this.#wanted = wanted;
      const turn = this.#last
        .catch(() => {})
        .then(act)
        .catch((error) => {
          // A failed start may be tried again, and leaves nothing to stop.
          if (this.#last === turn) {
            this.#wanted = 'stopped';
            this.#last = Promise.resolve();
          }
          throw error;
        });
      this.#last = turn;
    }
    return this.#last;
  }

  async #start() {
    const started = new Promise((resolve) => {
      this.#onStarted = resolve;
    });
    this.#native.start();
    this.#native.setWantsPublished(this.listenerCount('event:published') > 0);
    this.#hold = setInterval(() => void this, FOREVER);
    if (!this.#held) this.#hold.unref();
    await started;
  }

  async #stop() {
    // A start that failed has left nothing to stop.
    if (!this.#running) return;
    const stopped = new Promise((resolve) => {
      this.#onStopped = resolve;
    });
    this.#running = false;
    await this.#native.stop();
    this.#pump();
    await stopped;
    clearInterval(this.#hold);
    this.#connected.clear();
    this.#hold = null;
    this.#tell('stopped');
  }

  #pump() {
    const { more, notices } = JSON.parse(this.#native.take(BATCH));
    for (const notice of notices) this.#handle(notice);
    if (more) setImmediate(() => this.#pump());
  }

  #handle(notice) {
    switch (notice.type) {
      case 'attach':
        this.#connected.set(notice.info.signature, notice.info);
        this.#tell('device:attach', notice.info);
        break;
      case 'detach':
        this.#connected.delete(notice.info.signature);
        this.#tell('device:detach', notice.info);
        break;
      case 'published': {
        const { eventId, streamId, action, device } = notice;
        this.#tell('event:published', { eventId, streamId, action, device });
        break;
      }
      case 'gap':
        this.#tell('gap', notice.gap);
        break;
      case 'source':
        this.#tell('source:state', notice.source);
        break;
      case 'redis':
        this.#tell('redis:state', notice.redis);
        break;
      case 'error':
        this.#tellError(coded(notice.code, notice.message), notice.context);
        break;
      case 'started':
        this.#running = true;
        this.#onStarted();
        this.#tell('started');
        break;
      case 'stopped':
        this.#onStopped();
        break;
    }
  }

  #tellError(error, context) {
    this.#tell(errorMonitor, error, context);
    this.#tell('error', error, context);
  }

  #tell(event, ...args) {
    tell(this, event, ...args);
  }
}

module.exports = { USBDaemon };
