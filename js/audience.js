'use strict';

const { apart } = require('./tell.js');

/**
 * Whom the daemon tells of transitions beside its listeners: waits, iterators, dispatches. They are no listeners, so that
 * neither `removeAllListeners()` nor the warning of too many listeners is about them.
 *
 * A member has `transition(type, device, { eventId, seq, producer, signature })`, `end()` and, if it cares, `ready(ready, signature)`, none
 * of which throws.
 */
class Audience {
  #members = new Set();

  /**
   * What a member throws nevertheless, as through an odd signal, is an uncaught exception like a listener's: the other members,
   * and the daemon's stop, go on.
   *
   * @returns a function that takes the member out again
   */
  add(member) {
    const guarded = {
      transition: (...args) => apart(() => member.transition(...args)),
      ready: (...args) => apart(() => member.ready?.(...args)),
      end: () => apart(() => member.end()),
    };
    this.#members.add(guarded);
    return () => this.#members.delete(guarded);
  }

  /** @param id names of the event, which a listener may have changed in the device's description */
  tell(type, device, id) {
    if (this.#members.size === 0) return;
    // Who joins while this is told knows it already.
    for (const member of [...this.#members]) {
      if (this.#members.has(member)) member.transition(type, device, id);
    }
  }

  /** @param ready a device and how far it is */
  tellReady(ready, signature) {
    for (const member of [...this.#members]) {
      if (this.#members.has(member)) member.ready(ready, signature);
    }
  }

  /** The daemon has stopped. Members may come again with the next start, or leave. */
  end() {
    for (const member of [...this.#members]) member.end();
  }
}

module.exports = { Audience };
