'use strict';

const { aborted, coded } = require('./failure.js');
const { seqOf } = require('./history.js');

/** Transitions as they come, until somebody takes them. Bounded: what does not fit ends it, and is never left out silently. */
class LiveEvents {
  #leave;
  #most;
  #signal;
  #taken = [];
  #at = 0;
  #came = [];
  /** Set once nothing further comes: `{ error }`, which is told when all has been taken. */
  #end = null;
  #wake = null;
  #lastId = null;

  constructor(audience, { most, signal }) {
    this.#most = most;
    this.#signal = signal;
    this.#leave = audience.add(this);
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  transition(type, device) {
    if (this.#came.length + this.#taken.length - this.#at >= this.#most) {
      const after = this.#lastId;
      this.#finish(coded('ERR_USB_OVERRUN', `more than ${this.#most} events wait to be taken: go on with since: '${after}'`));
      return;
    }
    const { eventId } = device;
    this.#lastId = eventId;
    this.#came.push({ type, device, eventId, seq: seqOf(eventId) });
    this.#wake?.();
  }

  /** Nothing further comes: the daemon has stopped, or nobody takes it. */
  end() {
    this.#finish(undefined);
  }

  /** The next one; undefined after the last one. For one caller at a time. */
  async take() {
    for (;;) {
      if (this.#at === this.#taken.length) {
        [this.#taken, this.#came, this.#at] = [this.#came, [], 0];
      }
      if (this.#at < this.#taken.length) return this.#taken[this.#at++];
      if (this.#end) return this.#over();
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  /** What `work` gives, or undefined if this has ended before. */
  async orEnd(work) {
    const ended = new Promise((resolve) => {
      this.#wake = () => this.#end && resolve();
      this.#wake();
    });
    try {
      await Promise.race([work, ended]);
    } finally {
      this.#wake = null;
    }
    return this.#end ? this.#over() : work;
  }

  #over() {
    if (this.#end.error) throw this.#end.error;
    return undefined;
  }

  #abort = () => {
    this.#finish(aborted(this.#signal));
    this.#taken = [];
    this.#came = [];
    this.#at = 0;
  };

  #finish(error) {
    this.#leave?.();
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#end ??= { error };
    this.#wake?.();
  }
}

module.exports = { LiveEvents };
