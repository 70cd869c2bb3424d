'use strict';

/**
 * Whom the daemon tells of transitions beside its listeners: waits, iterators, dispatches. They are no listeners, so that
 * neither `removeAllListeners()` nor the warning of too many listeners is about them.
 *
 * A member has `transition(type, device)` and `end()`. What one throws, as through an odd signal, is an uncaught exception
 * like a listener's: the other members, and the daemon's stop, go on.
 */
class Audience {
  #members = new Set();

  /** @returns a function that takes the member out again */
  add(member) {
    this.#members.add(member);
    return () => this.#members.delete(member);
  }

  tell(type, device) {
    if (this.#members.size === 0) return;
    // Who joins while this is told knows it already.
    for (const member of [...this.#members]) {
      if (this.#members.has(member)) safely(() => member.transition(type, device));
    }
  }

  /** The daemon has stopped. Members may come again with the next start, or leave. */
  end() {
    for (const member of [...this.#members]) safely(() => member.end());
  }
}

function safely(call) {
  try {
    call();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

module.exports = { Audience };
