'use strict';

const { EventEmitter } = require('node:events');
const { NativeDaemon } = require('./native.js');
const { configurationJson } = require('./config.js');

/** Notices handled in one turn of the event loop; timers and I/O get theirs in between. */
const BATCH = 256;
/** The longest delay that a timer takes: it is there to hold the process, not to tick. */
const FOREVER = 0x7fffffff;

class USBDaemon extends EventEmitter {
  #native;
  #connected = new Map();
  #starting = null;
  #stopping = null;
  #started = null;
  #stopped = null;
  #hold = null;
  #held = true;

  constructor(config = {}) {
    super();
    // Weakly: threads of the addon must not keep a daemon alive that nobody holds.
    const self = new WeakRef(this);
    this.#native = new NativeDaemon(configurationJson(config), () => self.deref()?.#pump());
    this.on('newListener', (event) => {
      if (event === 'event:published') this.#native.setWantsPublished(true);
    });
  }

  get isRunning() {
    return this.#starting !== null && this.#started === null && this.#stopping === null;
  }

  start() {
    if (this.#stopping) return this.#stopping.then(() => this.start());
    this.#starting ??= this.#start();
    return this.#starting;
  }

  stop() {
    if (!this.#starting) return this.#stopping ?? Promise.resolve();
    this.#stopping ??= this.#stop();
    return this.#stopping;
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
    this.#native.simulateAttach(JSON.stringify(device) ?? 'null');
  }

  simulateDetach(port) {
    this.#native.simulateDetach(String(port));
  }

  async #start() {
    const started = new Promise((resolve) => {
      this.#started = resolve;
    });
    try {
      this.#native.start();
    } catch (error) {
      this.#starting = null;
      this.#started = null;
      throw error;
    }
    this.#native.setWantsPublished(this.listenerCount('event:published') > 0);
    this.#hold = setInterval(() => {}, FOREVER);
    if (!this.#held) this.#hold.unref();
    await started;
  }

  async #stop() {
    const stopped = new Promise((resolve) => {
      this.#stopped = resolve;
    });
    // A start under way is let finish: its promise must settle.
    await this.#starting;
    await this.#native.stop();
    this.#pump();
    await stopped;
    clearInterval(this.#hold);
    this.#connected.clear();
    this.#hold = null;
    this.#starting = null;
    this.#stopping = null;
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
        // An error event without a listener would end the host process.
        if (this.listenerCount('error') > 0) {
          const error = Object.assign(new Error(notice.message), { code: notice.code });
          this.#tell('error', error, notice.context);
        }
        break;
      case 'started':
        this.#started();
        this.#started = null;
        this.#tell('started');
        break;
      case 'stopped':
        this.#stopped();
        this.#stopped = null;
        break;
    }
  }

  /** A listener that throws is its owner's uncaught exception, and takes no event from anybody else. */
  #tell(event, ...args) {
    try {
      this.emit(event, ...args);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

module.exports = { USBDaemon };
