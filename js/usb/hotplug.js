'use strict';

const { EventEmitter } = require('node:events');
const { tell } = require('../tell.js');

/** Pauses before a daemon that cannot start is tried again: the first, doubled with each further one, and the longest. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

const CHANGES = ['addListener', 'on', 'prependListener', 'off', 'removeListener', 'removeAllListeners'];

/**
 * The emitter of `attach` and `detach`. A daemon runs while one of them has a listener, and holds the process meanwhile.
 *
 * As with npm usb 2, what was present when the first listener came is not announced.
 */
class Hotplug extends EventEmitter {
  #openDaemon;
  #attachments;
  #daemon = null;
  #isHeard = false;
  #mayEnd = false;
  #idle;
  /** What was present when the first listener came, as long as no daemon has accounted for it. */
  #present = null;
  /** The attempt that is in force: what an earlier one has failed with is no news. */
  #attempt = 0;
  #again;
  #pause = FIRST_PAUSE_MS;

  static {
    for (const name of CHANGES) {
      const inherited = EventEmitter.prototype[name];
      const changed = function (...args) {
        inherited.apply(this, args);
        this.#settle();
        return this;
      };
      Object.defineProperty(this.prototype, name, { value: changed, writable: true, configurable: true });
    }
  }

  constructor({ openDaemon, attachments }) {
    super();
    this.#openDaemon = openDaemon;
    this.#attachments = attachments;
  }

  /** Holds the process. As with npm usb 2, this and its opposite take effect only while there are listeners. */
  hold() {
    if (!this.#isHeard) return;
    this.#mayEnd = false;
    this.#daemon?.ref();
    this.#again?.ref();
  }

  letGo() {
    if (!this.#isHeard) return;
    this.#mayEnd = true;
    this.#daemon?.unref();
    this.#again?.unref();
  }

  #settle() {
    const isHeard = this.listenerCount('attach') + this.listenerCount('detach') > 0;
    if (isHeard === this.#isHeard) return;
    this.#isHeard = isHeard;
    this.#mayEnd = false;
    if (isHeard) this.#begin();
    else this.#cease();
  }

  #begin() {
    clearImmediate(this.#idle);
    clearTimeout(this.#again);
    if (this.#daemon) {
      this.#daemon.ref();
      return;
    }
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#open().catch((error) => attempt === this.#attempt && this.#fail(error));
  }

  /** What throws in here is told later, when who listens for `attach` has had time to listen for `error` as well. */
  async #open() {
    // Taken before the first listener's call returns: what comes from there on is told, whenever a daemon gets to hear of it.
    this.#present ??= this.#attachments.present();
    // A daemon for each run: what an earlier one has still to say is not for the listeners of this one.
    const daemon = this.#openDaemon();
    this.#daemon = daemon;
    this.#follow(daemon, this.#present);
    if (this.#mayEnd) daemon.unref();
    await daemon.start();
  }

  #follow(daemon, present) {
    const whileOurs = (event, listener) => daemon.on(event, (...args) => this.#daemon === daemon && listener(...args));
    whileOurs('device:attach', (info) => {
      const { at, device } = this.#attachments.attach(info);
      if (present.get(at) === device) {
        present.delete(at);
        return;
      }
      // Not told of yet, for this daemon never had them: what was at this port, and what hung below it, has left.
      for (const [formerAt, former] of displaced(present, device)) {
        present.delete(formerAt);
        this.#announce('detach', former);
      }
      this.#announce('attach', device);
    });
    whileOurs('device:detach', (info) => this.#announce('detach', this.#attachments.detach(info)));
    whileOurs('started', () => {
      this.#pause = FIRST_PAUSE_MS;
      // Present when the listener came, gone before the daemon could see it.
      for (const [, device] of deepestFirst([...present])) this.#announce('detach', device);
      present.clear();
    });
    whileOurs('error', (error, context) => tell(this, 'error', error, context));
  }

  #announce(event, device) {
    const { idVendor, idProduct } = device.deviceDescriptor;
    tell(this, event, device);
    tell(this, `${event}Ids`, { idVendor, idProduct });
  }

  #cease() {
    clearTimeout(this.#again);
    this.#daemon?.unref();
    // Later: a `once` whose listener waits for the next device at once goes on with the same daemon.
    this.#idle = setImmediate(() => {
      const daemon = this.#daemon;
      this.#daemon = null;
      this.#present = null;
      this.#attempt += 1;
      this.#pause = FIRST_PAUSE_MS;
      this.#attachments.settle();
      daemon?.stop().catch((error) => tell(this, 'error', error, 'stop'));
    });
  }

  /** A daemon could not start. It is tried again while there are listeners: they would stay deaf. */
  #fail(error) {
    this.#daemon = null;
    this.#attachments.settle();
    // Before anybody is told: listeners may leave, and come again.
    if (this.#isHeard) {
      this.#again = setTimeout(() => this.#begin(), this.#pause);
      if (this.#mayEnd) this.#again.unref();
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    }
    if (this.listenerCount('error') > 0) tell(this, 'error', error, 'start');
    // Silence would be taken for a bus on which nothing happens.
    else process.emitWarning(error);
  }
}

const pathOf = ({ portNumbers }) => (portNumbers ?? []).map((port) => `${port}.`).join('');

/** Entries of `present` that cannot be there beside `device`: at its address, at its port, or below it. The deepest first. */
function displaced(present, { busNumber, deviceAddress, portNumbers }) {
  const path = pathOf({ portNumbers });
  return deepestFirst(
    [...present].filter(([, former]) => {
      return former.busNumber === busNumber && (former.deviceAddress === deviceAddress || pathOf(former).startsWith(path));
    }),
  );
}

/** What hangs on a hub leaves before it. */
function deepestFirst(entries) {
  return entries.sort(([, one], [, other]) => pathOf(other).length - pathOf(one).length);
}

module.exports = { Hotplug };
