// Runs the observer in a bed and collects what it says.

import { fileURLToPath } from 'node:url';
import { standStill } from './stand-still.mjs';

const program = fileURLToPath(new URL('./observer.cjs', import.meta.url));

/**
 * Starts an observer; `config` is USBDaemon's, `through` a command that runs it, `only` the events to hear where not all are wanted, `tracing` whether it
 * calls initializeTracing(). Resolves once the process is there; `start` has not been called yet.
 */
export async function observe(bed, { config, user, published = false, only, tracing = false, env, through = [] } = {}) {
  return observing(bed, [...through, process.execPath, program, JSON.stringify({ config, published, only, tracing })], { user, env });
}

/** The same with another program that says and takes the same lines. */
export async function observing(bed, argv, options) {
  const child = bed.spawn(argv, options);
  const observer = new Observer(child);
  await observer.waitFor(({ event }) => event === 'ready', 'the observer to be ready', { timeoutMs: 60_000 });
  bed.observedBy?.(observer);
  return observer;
}

export class Observer {
  /** Everything said so far, in order. */
  said = [];
  #child;
  #waiting = new Set();
  #ended;

  constructor(child) {
    this.#child = child;
    this.#ended = this.#read();
  }

  get exit() {
    return this.#child.exit;
  }

  get pid() {
    return this.#child.pid;
  }

  kill(signal) {
    return this.#child.kill(signal);
  }

  /** Stops the process with SIGSTOP; resolves once each of its threads stands still. */
  pause() {
    return standStill(this);
  }

  endInput() {
    this.#child.endInput();
  }

  /** Ends the process: once the daemon has stopped, or with SIGKILL where `how` is 'killed'. */
  async end(how = 'stopped') {
    if (how === 'killed') {
      this.kill('SIGKILL');
    } else {
      await this.ask('stop');
      this.endInput();
    }
    await this.exit;
  }

  stderrText() {
    return this.#child.stderrText();
  }

  /** Carries out a command and gives its answer. */
  async ask(command, args = {}, timeoutMs) {
    const since = this.said.length;
    this.#child.write(JSON.stringify({ command, ...args }));
    const { value, code, message } = await this.waitFor(({ answer }) => answer === command, command, { since, timeoutMs });
    if (message) throw Object.assign(new Error(message), { code });
    return value;
  }

  /** Tells a command without waiting for its answer. */
  tell(command, args = {}) {
    this.#child.write(JSON.stringify({ command, ...args }));
  }

  /** The first line from `since` on that `match` accepts. */
  waitFor(match, subject, { since = 0, timeoutMs = 20_000 } = {}) {
    const found = this.said.slice(since).find(match);
    if (found) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const waiting = { match, resolve };
      const fail = (why) => {
        this.#waiting.delete(waiting);
        clearTimeout(timer);
        reject(new Error(`waited for ${subject}: ${why}; stderr: ${this.stderrText()}; last: ${JSON.stringify(this.said.slice(-3))}`));
      };
      const timer = setTimeout(() => fail(`not within ${timeoutMs} ms`), timeoutMs);
      waiting.resolve = (line) => {
        clearTimeout(timer);
        resolve(line);
      };
      this.#waiting.add(waiting);
      this.#ended.then(async () => {
        if (!this.#waiting.has(waiting)) return;
        const { code, signal } = await this.exit;
        fail(`the process has ended with ${signal ?? code}`);
      });
    });
  }

  /** Waits until so many transitions have come, and gives them. */
  async transitions(count, { since = 0, timeoutMs } = {}) {
    let seen = this.said.slice(since).filter(isTransition).length;
    if (seen < count) {
      const from = this.said.length;
      await this.waitFor((line) => isTransition(line) && ++seen >= count, `${count} transitions`, { since: from, timeoutMs }).catch((error) => {
        throw new Error(`${seen} of ${count} transitions came: ${error.message}`);
      });
    }
    return this.said.slice(since).filter(isTransition);
  }

  of(event) {
    return this.said.filter((line) => line.event === event);
  }

  async #read() {
    for await (const text of this.#child.stdout) {
      const line = JSON.parse(text);
      this.said.push(line);
      for (const waiting of this.#waiting) {
        if (waiting.match(line)) {
          this.#waiting.delete(waiting);
          waiting.resolve(line);
        }
      }
    }
  }
}

export function isTransition({ event }) {
  return event === 'device:attach' || event === 'device:detach';
}

/** What must hold of any run: attach and detach alternate for each attachment, and no number is missing. */
export function checkHistory(lines) {
  const open = new Map();
  let expected;
  for (const { event, value } of lines.filter(isTransition)) {
    const seq = Number(value.eventId.split(':')[1]);
    if (expected !== undefined && seq !== expected) throw new Error(`event ${expected} is missing: ${value.eventId} came`);
    expected = seq + 1;
    const place = `${value.location.busNumber}:${value.location.deviceAddress}`;
    if (event === 'device:attach') {
      if (open.has(place)) throw new Error(`${place} attached twice (${value.eventId})`);
      open.set(place, value);
    } else {
      const attached = open.get(place);
      if (!attached) throw new Error(`${place} detached without an attach (${value.eventId})`);
      open.delete(place);
      const { timestamp, eventId, backend, synthetic, ...known } = value;
      const { timestamp: t, eventId: e, backend: b, synthetic: s, ...before } = attached;
      if (JSON.stringify(known) !== JSON.stringify(before)) {
        throw new Error(`the detach ${eventId} does not carry what was known at attach`);
      }
    }
  }
  return [...open.values()];
}
