'use strict';

const { aborted, coded } = require('./failure.js');
const { producerOf } = require('./event-id.js');
const { anotherSeries } = require('./history.js');

/**
 * Transitions as they come, until somebody takes them. Bounded, and nothing is left out silently: what does not fit ends it, or
 * is named for who can read it from the store.
 */
class LiveEvents {
  #leave;
  #most;
  #signal;
  #isStored;
  #taken = [];
  #at = 0;
  #came = [];
  /** Set once nothing further comes: `{ error }`, which is told when all has been taken. */
  #end = null;
  #wake = null;
  #isClosed = false;
  /** Names of the last event that came. */
  #last = null;
  #lastDropped = 0;
  /** Whose events alone come; null: everybody's. */
  #producer = null;

  /** @param isStored what does not fit is read from the store */
  constructor(audience, { most, signal, isStored = false }) {
    this.#most = most;
    this.#signal = signal;
    this.#isStored = isStored;
    this.#leave = audience.add(this);
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  transition(type, device, { eventId, seq, producer }) {
    if (this.#producer !== null && producer !== this.#producer) {
      this.#finish(anotherSeries(this.#producer, producer));
      return;
    }
    if (this.#came.length + this.#taken.length - this.#at >= this.#most) {
      if (!this.#isStored) {
        const where = `since: '${this.#last.eventId}'`;
        this.#finish(coded('ERR_USB_OVERRUN', `more than ${this.#most} events wait to be taken: go on with ${where}`));
        return;
      }
      this.#lastDropped = this.#last.seq;
      this.#forget();
    }
    this.#last = { eventId, seq };
    this.#came.push({ type, device, eventId, seq });
    this.#wake?.();
  }

  /**
   * From now on a number means an event of this series. What waits of another one is what an earlier run has told of: at a
   * start that is repeated.
   */
  keepTo(producer) {
    this.#producer = producer;
    const isOfIt = ({ eventId }) => producerOf(eventId) === producer;
    [this.#taken, this.#came, this.#at] = [this.#taken.slice(this.#at).filter(isOfIt), this.#came.filter(isOfIt), 0];
  }

  /** The daemon has stopped: nothing further comes. */
  end() {
    this.#finish(undefined);
  }

  /** Nobody takes it any more. */
  close() {
    this.#isClosed = true;
    this.#finish(undefined);
    this.#forget();
  }

  get isClosed() {
    return this.#isClosed;
  }

  /** The number up to which events have found no room. */
  get lastDropped() {
    return this.#lastDropped;
  }

  /** The first one after `seq` that waits, which it goes on to do; those before it are forgotten. */
  first(seq) {
    for (;;) {
      if (this.#at === this.#taken.length) {
        if (this.#came.length === 0) return undefined;
        [this.#taken, this.#came, this.#at] = [this.#came, [], 0];
      }
      const event = this.#taken[this.#at];
      if (event.seq > seq) return event;
      this.#at += 1;
    }
  }

  /** The same, once there is one; undefined after the last one. For one caller at a time, as `take` is. */
  async next(seq) {
    for (;;) {
      const event = this.first(seq);
      if (event !== undefined) return event;
      if (this.#end) return this.#over();
      await this.#change();
    }
  }

  /** The next one, whatever its number; undefined after the last one. */
  async take() {
    for (;;) {
      const event = this.first(0);
      if (event !== undefined) {
        this.#at += 1;
        return event;
      }
      if (this.#end) return this.#over();
      await this.#change();
    }
  }

  /** What `work` gives, or undefined if this has ended before. */
  async orEnd(work) {
    const ended = new Promise((resolve) => {
      this.#wake = () => this.#end && resolve();
      this.#wake();
    });
    try {
      const given = await Promise.race([work, ended]);
      this.throwIfFailed();
      return given;
    } finally {
      this.#wake = null;
    }
  }

  throwIfFailed() {
    if (this.#end?.error) throw this.#end.error;
  }

  async #change() {
    await new Promise((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }

  #over() {
    if (this.#end.error) throw this.#end.error;
    return undefined;
  }

  #forget() {
    this.#taken = [];
    this.#came = [];
    this.#at = 0;
  }

  #abort = () => {
    this.#finish(aborted(this.#signal));
    this.#forget();
  };

  #finish(error) {
    this.#leave?.();
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#end ??= { error };
    this.#wake?.();
  }
}

module.exports = { LiveEvents };
