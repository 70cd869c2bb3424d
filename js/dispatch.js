'use strict';

const { readArgument } = require('./argument-reading.js');
const { BySignature } = require('./by-signature.js');
const { badArgument, coded, reasonOf } = require('./failure.js');
const { manifestMatch } = require('./match.js');
const { shown } = require('./device-values.js');
const { probable } = require('./nearest.js');

const HANDLERS = ['onAttach', 'onReady', 'onDetach'];

/** Hands the devices that somebody cares for to his handlers: those that are there, then each that comes and goes. */
class Dispatch {
  #matches;
  #handlers;
  #fail;
  #readyOf;
  #leave;
  /** Devices of which onAttach has been told. */
  #told = new BySignature();
  /** Devices that were there by signature, and of which onAttach is still to be told. */
  #present;
  #isOver = false;

  /**
   * @param present pairs of signature and device
   * @param readyOf how far the device of a signature is, if that has been told
   * @param fail is told what a handler has thrown, and where
   * @param host what this machine is called in events
   */
  constructor(audience, present, readyOf, match, handlers, fail, host) {
    this.#matches = manifestMatch(match, host);
    checkHandlers(handlers);
    this.#handlers = handlers;
    this.#fail = fail;
    this.#readyOf = readyOf;
    this.#present = present;
    this.#leave = audience.add(this);
    // Not before the caller has what ends it.
    queueMicrotask(() => this.#begin());
  }

  dispose() {
    this.#isOver = true;
    this.#leave();
    this.#present = [];
    this.#told.clear();
  }

  [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
    this.dispose();
  }

  /** By the signature beside it: listeners may have changed what is in `device`. */
  transition(type, device, { signature }) {
    this.#begin();
    if (type === 'attach') this.#attach(signature, device);
    else if (this.#told.delete(signature)) this.#call('onDetach', device);
  }

  ready(ready, signature) {
    // One that has waited for its turn hears it there.
    if (this.#present.length > 0) this.#begin();
    else if (this.#told.has(signature)) this.#call('onReady', ready);
  }

  /** The daemon has stopped: what is there after its next start attaches anew. */
  end() {
    this.#present = [];
    this.#told.clear();
  }

  #begin() {
    while (this.#present.length > 0) {
      const [signature, device] = this.#present.shift();
      this.#attach(signature, device);
      const ready = this.#readyOf(signature);
      if (ready && this.#told.has(signature)) this.#call('onReady', ready);
    }
  }

  #attach(signature, device) {
    // Somebody who asks from within a listener finds the device present and is told of it as well.
    if (this.#isOver || this.#told.has(signature) || !this.#isMeant(device)) return;
    this.#told.set(signature, true);
    this.#call('onAttach', device);
  }

  #isMeant(device) {
    try {
      return this.#matches(device);
    } catch (thrown) {
      this.#failed('match', thrown);
      return false;
    }
  }

  #call(name, device) {
    try {
      const given = this.#handlers[name]?.(device);
      if (typeof given?.then === 'function') Promise.resolve(given).catch((thrown) => this.#failed(name, thrown));
    } catch (thrown) {
      this.#failed(name, thrown);
    }
  }

  #failed(name, thrown) {
    this.#fail(coded('ERR_USB_HANDLER', `${name} has thrown: ${reasonOf(thrown)}`, { cause: thrown }), `dispatch:${name}`);
  }
}

/** Keys of other names may stay: handlers may be somebody's object with more in it. Throws ERR_USB_ARGUMENT. */
function checkHandlers(handlers) {
  if (typeof handlers !== 'object' || handlers === null) {
    throw badArgument(`handlers is ${shown(handlers)}: expected { onAttach, onReady, onDetach }`);
  }
  let found = 0;
  for (const name of HANDLERS) {
    const handler = readArgument(`handlers.${name}`, () => handlers[name]);
    if (handler === undefined) continue;
    if (typeof handler !== 'function') throw badArgument(`handlers.${name} is ${shown(handler)}: expected a function`);
    found += 1;
  }
  if (found > 0) return;
  const keys = readArgument('handlers', () => Object.keys(handlers));
  const misspelt = keys.find((key) => probable(key, HANDLERS));
  const hint = misspelt === undefined ? '' : `: instead of "${misspelt}", did you mean "${probable(misspelt, HANDLERS)}"?`;
  throw badArgument(`handlers has none of onAttach, onReady and onDetach${hint}`);
}

module.exports = { Dispatch };
