'use strict';

const { NativeLog } = require('./native.js');
const { logLevel } = require('./log-level.js');
const { tell } = require('./tell.js');

/** Lines handled in one turn of the event loop; timers and I/O get theirs in between. */
const BATCH = 256;

/** The lines of an emitter's threads, told by its event `log` as long as somebody listens. Else nobody makes any. */
class Log {
  #emitter;
  #isListened = false;

  constructor(emitter) {
    this.#emitter = emitter;
    // Weakly: threads of the addon must not keep an emitter alive that nobody holds.
    const self = new WeakRef(this);
    this.native = new NativeLog(logLevel(), () => self.deref()?.#pump());
  }

  /** Listeners have come or gone. */
  lookAgain() {
    const isListened = this.#emitter.listenerCount('log') > 0;
    if (isListened === this.#isListened) return;
    this.#isListened = isListened;
    this.native.listen(isListened);
  }

  /** Tells all that waits by now. */
  drain() {
    while (this.#tell());
  }

  #pump() {
    // Nothing else wakes it.
    if (this.#tell()) setImmediate(() => this.#pump());
  }

  /** One batch. Gives whether more waits. */
  #tell() {
    const { more, lines } = JSON.parse(this.native.take(BATCH));
    for (const line of lines) tell(this.#emitter, 'log', line);
    return more;
  }
}

module.exports = { Log };
