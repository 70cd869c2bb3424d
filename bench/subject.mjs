// A subject that listens in a bed, and what it has heard of what was sent.

import { fileURLToPath } from 'node:url';
import { until } from '../__test__/until.mjs';

const listener = fileURLToPath(new URL('./programs/listener.cjs', import.meta.url));

/** Starts a subject; resolves once it listens. `name` is that of its file in programs/subjects. `gc`: with a garbage collector that can be asked. */
export async function startSubject(bed, name, options, { gc = false } = {}) {
  const node = gc ? [process.execPath, '--expose-gc'] : [process.execPath];
  // Named: a guest is given nothing of this process's environment.
  return Subject.start(bed, [...node, listener, name, JSON.stringify(options)], { BENCH_PACKAGE: process.env.BENCH_PACKAGE });
}

/** Starts the C program that listens by libusb. */
export async function startLibusb(bed, program) {
  return Subject.start(bed, [program]);
}

class Subject {
  #child;
  #turn = Promise.resolve();

  static async start(bed, argv, env = {}) {
    const subject = new Subject(bed.spawn(argv, { env }));
    const { began, at } = JSON.parse(await subject.#child.waitForLine(() => true, { timeoutMs: 30_000 }));
    subject.startMs = (at - began) / 1e6;
    return subject;
  }

  constructor(child) {
    this.#child = child;
  }

  get pid() {
    return this.#child.pid;
  }

  kill(signal) {
    this.#child.kill(signal);
  }

  /** Carries out one of the listener's commands; null where the process has ended. */
  ask(command, { timeoutMs = 30_000 } = {}) {
    const answer = this.#turn.then(async () => {
      this.#child.write(command);
      const line = await this.#child.waitForLine(() => true, { timeoutMs }).catch((error) => {
        if (this.#child.running) throw error;
        return 'null';
      });
      return JSON.parse(line)?.answer ?? null;
    });
    this.#turn = answer.catch(() => {});
    return answer;
  }

  /** What it has heard since this was last asked, in order. */
  async take() {
    const flat = (await this.ask('take')) ?? [];
    const events = [];
    for (let at = 0; at < flat.length; at += 4) events.push({ action: flat[at] === 0 ? 'add' : 'remove', bus: flat[at + 1], address: flat[at + 2], at: flat[at + 3] });
    return events;
  }

  /** Waits until it has heard so many events, or for so long no more; false where the latter, null where it has ended. */
  async hears(count, { quietMs = 1_000 } = {}) {
    let last = { heard: -1, at: performance.now() };
    let verdict;
    await until(
      async () => {
        const heard = await this.ask('count');
        if (heard === null) verdict = null;
        else if (heard >= count) verdict = true;
        else if (heard > last.heard) last = { heard, at: performance.now() };
        else if (performance.now() - last.at > quietMs) verdict = false;
        return verdict !== undefined;
      },
      `${count} events`,
      { timeoutMs: 120_000 },
    );
    return verdict;
  }

  end() {
    return endByInput(this.#child);
  }

  stderrText() {
    return this.#child.stderrText();
  }
}

/** Ends a program as its user would, by the end of its input; with SIGKILL where it does not end by that. */
export async function endByInput(child, patienceMs = 5_000) {
  child.endInput();
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const ended = await child.exit;
  clearTimeout(late);
  return ended;
}

/** How long after each uevent the subject heard of it, in ms: Infinity where it never did. Addresses come again, in order. */
export function delaysOf(uevents, heard) {
  const waiting = new Map();
  for (const event of heard) {
    const key = `${event.action} ${event.bus}:${event.address}`;
    if (!waiting.has(key)) waiting.set(key, []);
    waiting.get(key).push(event.at);
  }
  return uevents.map(({ action, busnum, devnum, monotonic_ns }) => {
    const at = waiting.get(`${action} ${busnum}:${devnum}`)?.shift();
    return at === undefined ? Infinity : (at - monotonic_ns) / 1e6;
  });
}
