'use strict';

const { LiveEvents } = require('./live-events.js');
const { spliced } = require('./history.js');

/**
 * Transitions as an async iterator. It listens from its making on, not from the first `next()`, so that nothing falls between
 * the two.
 */
class EventStream {
  #live;
  #events;

  /** @param past a promise of where to begin and how to read that, or null */
  constructor(audience, { most, signal, past }) {
    this.#live = new LiveEvents(audience, { most, signal, isStored: past !== null });
    this.#events = past ? this.#from(past) : this.#comingOnly();
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  next() {
    return this.#events.next();
  }

  /** Unsubscribes. A `next()` that waits ends with it. */
  return() {
    this.#live.close();
    return this.#events.return();
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    await this.return();
  }

  async *#comingOnly() {
    for (let event = await this.#live.take(); event !== undefined; event = await this.#live.take()) yield event;
  }

  async *#from(past) {
    try {
      const plan = await this.#live.orEnd(past);
      if (plan !== undefined) yield* spliced(this.#live, plan);
    } finally {
      this.#live.close();
    }
  }
}

module.exports = { EventStream };
