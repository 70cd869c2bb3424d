'use strict';

const { notRunning } = require('./failure.js');

/**
 * Devices that the program itself tells of. Calls take effect in their order, while the strings of many devices are read
 * at the same time.
 */
class Injection {
  #inject;
  /** Calls that the addon does not have yet, in their order; one without `json` is still being read. */
  #queue = [];
  /** Calls that the addon has, by its ticket. */
  #handedOver = new Map();

  /** @param inject gives an action and a device's JSON to the addon, and returns a ticket */
  constructor(inject) {
    this.#inject = inject;
  }

  /** Resolves once the addon has told what became of it. */
  take(action, device) {
    return new Promise((resolve, reject) => {
      const { readDevice, readIdentity } = require('./asked.js');
      const call = { action, json: null, resolve, reject };
      // Its place is taken first: reading runs code of the device's, which may call again.
      this.#queue.push(call);
      try {
        if (action === 'attach') readDevice(device, (error, facts) => this.#read(call, error, facts));
        else this.#read(call, null, readIdentity(device));
      } catch (error) {
        this.#refuse(call, error);
      }
    });
  }

  /** The addon has told what became of a call. */
  settle(ticket) {
    const call = this.#handedOver.get(ticket);
    this.#handedOver.delete(ticket);
    call?.resolve();
  }

  /** The daemon has stopped: what is not handed over yet never will be, and of what is nothing further is told. */
  end() {
    for (const call of this.#queue.splice(0)) call.reject(notRunning());
    for (const call of this.#handedOver.values()) call.reject(notRunning());
    this.#handedOver.clear();
  }

  #read(call, error, facts) {
    if (error) {
      this.#refuse(call, error);
      return;
    }
    call.json = JSON.stringify(facts);
    this.#advance();
  }

  #refuse(call, error) {
    const at = this.#queue.indexOf(call);
    if (at >= 0) this.#queue.splice(at, 1);
    call.reject(error);
    this.#advance();
  }

  #advance() {
    while (this.#queue.length > 0 && this.#queue[0].json !== null) {
      const call = this.#queue.shift();
      try {
        this.#handedOver.set(this.#inject(call.action, call.json), call);
        call.json = null;
      } catch (error) {
        call.reject(error);
      }
    }
  }
}

module.exports = { Injection };
