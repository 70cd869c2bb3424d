'use strict';

const { EventEmitter, errorMonitor } = require('node:events');
const { NativeDaemon } = require('./native.js');
const { configurationJson, warn } = require('./config.js');
const { calledWith } = require('./arguments.js');
const { Attached } = require('./attached.js');
const { Audience } = require('./audience.js');
const { BySignature } = require('./by-signature.js');
const { currentTelemetry, readTelemetry } = require('./current-telemetry.js');
const { malformed } = require('./device-values.js');
const { producerOf, seqOf } = require('./event-id.js');
const { answered, coded, jsonOf, notRunning } = require('./failure.js');
const { Injection } = require('./injection.js');
const { watchListeners } = require('./listeners.js');
const { Log } = require('./log.js');
const { sameUnitAs } = require('./same-unit.js');
const { statsOf, statusOf } = require('./status.js');
const { tell, throwLater } = require('./tell.js');

/** The longest delay that a timer takes: it is there to hold the process, not to tick. */
const FOREVER = 0x7fffffff;
/** Of no event. */
const NOTHING = Object.freeze({ producer: null, seq: 0 });
/** Default of `outbox.max_events`, which bounds whatever waits in memory. */
const MOST_EVENTS = 100_000;

/** What a daemon may be asked for. Read with the first call that needs some of it, and otherwise once a start is over. */
const asked = () => require('./asked.js');

/** Reads what else may be asked for while it is this version's and can be read: a package may be replaced under a process, and a process give up its rights. */
function readAhead() {
  for (const read of [asked, readTelemetry]) {
    try {
      read();
    } catch {
      // Whoever asks is told.
    }
  }
}

/** All that was known when a device came, with what is new now that it has left. */
function leaving(known, signature, { timestamp, eventId, backend, synthetic }) {
  const info = { ...known, signature, timestamp, eventId, backend };
  if (synthetic !== null) info.synthetic = synthetic;
  else if (info.synthetic !== undefined) delete info.synthetic;
  return info;
}

class USBDaemon extends EventEmitter {
  #native;
  #log = new Log(this);
  #config;
  #attached = new Attached();
  #injection = new Injection((action, json) => this.#native.inject(action, json));
  /** Who is told until the daemon stops: of the start that is wanted, and of the one whose events come now. */
  #run = null;
  #current = null;
  /** Who is told in each run. */
  #dispatches = new Audience();
  /** How far each device is of which that has been told, by signature. */
  #ready = new BySignature();
  /** Names of the event of this run with the largest number of its series. */
  #lastTold = NOTHING;
  /** What the last call of start or stop asked for, and its promise. */
  #wanted = 'stopped';
  #last = Promise.resolve();
  /** Whether there is something that a stop has to stop. */
  #hasStarted = false;
  /** What is exported of this run. */
  #telemetry = null;
  #onStarted = null;
  #onStopped = null;
  #hold = null;
  #held = true;
  /** Whether the rest of what waits is about to be taken. */
  #isDue = false;

  static {
    watchListeners(this.prototype, (daemon, event) => daemon.#listenersChanged(event));
  }

  constructor(config = {}) {
    super();
    // Weakly: threads of the addon must not keep a daemon alive that nobody holds.
    const self = new WeakRef(this);
    const called = calledWith((notice) => self.deref()?.#take(notice), (text) => self.deref()?.#pump(text));
    this.#native = new NativeDaemon(configurationJson(config), called, this.#log.native);
    warn(this.#native.warnings());
    const { monitoring, filters, performance, outbox, ready } = JSON.parse(this.#native.config());
    this.#config = { monitoring, filters, performance, outbox, ready };
  }

  #listenersChanged(event) {
    if (event === 'event:published') this.#native.setWantsPublished(this.listenerCount(event) > 0);
    if (event === 'log' || event === undefined) this.#log.lookAgain();
  }

  get isRunning() {
    return this.#hasStarted && this.#run === this.#current;
  }

  start() {
    return this.#ask('started', (run) => this.#start(run));
  }

  stop() {
    return this.#ask('stopped', (run) => this.#stop(run));
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.stop();
  }

  get connectedDevices() {
    return this.#attached.asMap();
  }

  getConnectedDevices() {
    return this.#attached.values();
  }

  getDeviceBySignature(signature) {
    return this.#attached.get(signature);
  }

  isDeviceConnected(signature) {
    return this.#attached.has(signature);
  }

  identify(info) {
    const json = jsonOf(info, 'ERR_USB_DEVICE', 'the info');
    const found = JSON.parse(this.#native.identify(json));
    const isIt = sameUnitAs(JSON.parse(json), 'info', this.#native.hostName());
    return { ...found, connected: this.getConnectedDevices().find(isIt) };
  }

  getStats() {
    return statsOf(this.#config, this.getConnectedDevices(), this.isRunning, this.#health());
  }

  getStatus() {
    // What has been changed over HTTP holds.
    const inForce = this.isRunning ? JSON.parse(this.#native.inForce()) : {};
    return statusOf({ ...this.#config, ...inForce }, this.getConnectedDevices(), this.isRunning, this.#health());
  }

  handleDeviceAttach(device) {
    return this.isRunning ? this.#injection.take('attach', device) : Promise.reject(notRunning());
  }

  handleDeviceDetach(device) {
    return this.isRunning ? this.#injection.take('detach', device) : Promise.reject(notRunning());
  }

  async waitFor(match, options) {
    const { deviceMatch, optionsOf, waitForDevice } = asked();
    const matches = deviceMatch(match, this.#native.hostName());
    const { signal, timeout } = optionsOf(options, ['signal', 'timeout']);
    if (this.#run === null) throw notRunning();
    const present = this.#present(this.#run).map(([, info]) => info);
    return waitForDevice(this.#run, present, matches, { signal, timeout });
  }

  async waitForReady(match, options) {
    const { deviceMatch, optionsOf, waitForReady } = asked();
    const matches = deviceMatch(match, this.#native.hostName());
    const { signal, timeout } = optionsOf(options, ['signal', 'timeout']);
    if (!this.#config.ready.enabled) throw coded('ERR_USB_SOURCE', 'nothing looks when a device may be used: ready.enabled is false');
    if (process.platform !== 'linux') throw coded('ERR_USB_SOURCE', 'nothing says on this system when a device may be used: Linux does');
    if (this.#run === null) throw notRunning();
    const told = this.#present(this.#run).length > 0 ? this.#ready.values() : [];
    return waitForReady(this.#run, told, matches, { signal, timeout });
  }

  dispatch(match, handlers) {
    const { Dispatch } = asked();
    const fail = (error, context) => this.#tellError(error, context);
    const readyOf = (signature) => this.#ready.get(signature);
    return new Dispatch(this.#dispatches, this.#present(this.#run), readyOf, match, handlers, fail, this.#native.hostName());
  }

  events(options) {
    const { EventStream, optionsOf, sinceOf } = asked();
    const { signal, since } = optionsOf(options, ['signal', 'since']);
    const from = since === undefined ? null : sinceOf(since);
    if (this.#run === null) throw notRunning();
    const past = from && this.#past(this.#run, from);
    // Who never asks for the first event does not hear of it.
    past?.catch(() => {});
    return new EventStream(this.#run, { most: this.#config.outbox?.max_events ?? MOST_EVENTS, signal, past });
  }

  ref() {
    this.#held = true;
    this.#hold?.ref();
    return this;
  }

  unref() {
    this.#held = false;
    if (this.#hasStarted) this.#hold?.unref();
    return this;
  }

  getHealth() {
    return JSON.parse(this.#native.health());
  }

  simulateAttach(device) {
    this.#native.simulateAttach(jsonOf(device, 'ERR_USB_DEVICE', 'the simulated device'));
  }

  simulateDetach(port) {
    if (typeof port !== 'string') throw malformed('port', port, 'the name of a port, such as 200-1.2');
    this.#native.simulateDetach(port);
  }

  /** Calls take effect in their order; one that asks for what is asked for already shares its promise. */
  #ask(wanted, act) {
    if (this.#wanted !== wanted) {
      this.#wanted = wanted;
      const run = wanted === 'started' ? new Audience() : this.#run;
      this.#run = wanted === 'started' ? run : null;
      const turn = this.#last
        .catch(() => {})
        .then(() => act(run))
        .catch((error) => {
          run?.end();
          // A failed start may be tried again, and leaves nothing to stop.
          if (this.#last === turn) {
            this.#run = null;
            this.#wanted = 'stopped';
            this.#last = Promise.resolve();
          }
          throw error;
        });
      this.#last = turn;
    }
    return this.#last;
  }

  async #start(run) {
    const started = new Promise((resolve) => {
      this.#onStarted = resolve;
    });
    this.#telemetry = currentTelemetry();
    this.#native.setWantsPublished(this.listenerCount('event:published') > 0);
    this.#native.start(this.#telemetry?.native);
    this.#current = run;
    this.#lastTold = NOTHING;
    // Until it has started in any case: somebody waits for that.
    this.#hold = setInterval(() => void this, FOREVER);
    await started;
    if (!this.#held) this.#hold.unref();
    setImmediate(() => this.#afterStart());
  }

  /** What no start waits for. */
  #afterStart() {
    readAhead();
    try {
      this.#native.attend();
    } catch {
      // The engine's own threads tell of departures then.
    }
  }

  async #stop(run) {
    // A start that failed has left nothing to stop.
    if (!this.#hasStarted) return;
    const stopped = new Promise((resolve) => {
      this.#onStopped = resolve;
    });
    this.#hasStarted = false;
    // Until it has stopped in any case, as at the start.
    this.#hold.ref();
    await this.#native.stop();
    this.#pump();
    this.#telemetry?.drain();
    await stopped;
    this.#log.drain();
    clearInterval(this.#hold);
    this.#attached.clear();
    this.#ready.clear();
    this.#hold = null;
    this.#current = null;
    this.#injection.end();
    run.end();
    this.#dispatches.end();
    this.#tell('stopped');
  }

  /** Devices by signature that somebody who asks for this run finds; those of an earlier one that is still stopping are not it. */
  #present(run) {
    return run !== null && run === this.#current ? this.#attached.entries() : [];
  }

  #health() {
    return this.isRunning ? this.getHealth() : null;
  }

  /** Where an iterator begins, and how it reads what has been; known once the daemon has started. */
  async #past(run, { seq, producer }) {
    await this.#last;
    const { outbox } = this.getHealth();
    if (producer !== undefined && producer !== outbox.producer) {
      throw coded('ERR_USB_HISTORY', `events of ${producer} are not kept here: this is ${outbox.producer}`);
    }
    const lastTold = Math.max(outbox.lastSeq, this.#lastTold.producer === outbox.producer ? this.#lastTold.seq : 0);
    const readHistory = (after, limit) => this.#readHistory(run, after, limit);
    return { since: seq, lastTold, producer: outbox.producer, readHistory };
  }

  /** Undefined once the run is about to stop. */
  async #readHistory(run, after, limit) {
    if (this.#run !== run) return undefined;
    try {
      return await answered(this.#native.history(after, limit));
    } catch (error) {
      if (error.code === 'ERR_USB_NOT_RUNNING') return undefined;
      throw error;
    }
  }

  /** Handles one, and what comes after it is handled whatever it throws. */
  #take(notice) {
    try {
      this.#handle(notice);
    } catch (error) {
      throwLater(error);
    }
  }

  /** Handles notices as the addon gives them: an empty text where it has called with each, or there is no run. */
  #pump(text = this.#native.take()) {
    if (text === '') return;
    const { more, notices } = JSON.parse(text);
    try {
      for (const notice of notices) this.#take(notice);
    } finally {
      // Nothing else wakes it.
      if (more) this.#pumpLater();
    }
  }

  /** Once: whoever asks whether the event loop is free wakes it meanwhile, too. */
  #pumpLater() {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#pump();
    });
  }

  #handle(notice) {
    switch (notice.type) {
      case 'attach':
        this.#attached.set(notice.info.signature, notice.info);
        this.#tellTransition('attach', notice.info);
        break;
      case 'left': {
        const { signature, changes } = notice;
        const info = leaving(this.#attached.get(signature), signature, changes);
        this.#attached.delete(signature);
        this.#tellTransition('detach', info);
        break;
      }
      // Of one that this process has not told of before.
      case 'detach':
        this.#attached.delete(notice.info.signature);
        this.#tellTransition('detach', notice.info);
        break;
      case 'injected':
        this.#injection.settle(notice.ticket);
        break;
      case 'ready':
        this.#tellReady(notice.ready);
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
      case 'driver':
        this.#tell('driver', notice.driver);
        break;
      case 'error':
        this.#tellError(coded(notice.code, notice.message), notice.context);
        break;
      case 'started':
        this.#hasStarted = true;
        this.#onStarted();
        this.#tell('started');
        break;
      case 'stopped':
        this.#onStopped();
        break;
    }
  }

  /** It may be told once more: of a device that had to be waited for longer. */
  #tellReady(ready) {
    const { signature } = ready.device;
    if (!this.#attached.has(signature)) return;
    this.#ready.set(signature, ready);
    this.#tell('device:ready', ready);
    this.#current?.tellReady(ready, signature);
    this.#dispatches.tellReady(ready, signature);
  }

  #tellTransition(type, info) {
    // What was known of one at this signature is not the next one's.
    this.#ready.delete(info.signature);
    // Listeners may change what they are given.
    const { eventId, signature } = info;
    this.#tell(type === 'attach' ? 'device:attach' : 'device:detach', info);
    const id = { eventId, seq: seqOf(eventId), producer: producerOf(eventId), signature };
    // An outbox file that has gone back in time begins another series.
    if (id.producer !== this.#lastTold.producer || id.seq > this.#lastTold.seq) this.#lastTold = id;
    this.#current?.tell(type, info, id);
    this.#dispatches.tell(type, info, id);
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
