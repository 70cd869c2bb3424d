// The watched process in its bed, and what it takes: asked of itself, and seen from outside in /proc.

import { readFile, readdir, stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endByInput } from '../subject.mjs';

const program = fileURLToPath(new URL('./program.cjs', import.meta.url));
const PATIENCE_MS = 60_000;
/** After so long a peer tells of nothing more. */
const QUIET_MS = 500;
/**
 * V8 sizes its young generation by what was allocated in the last 5 s, and lets go of what it needs no more when it collects everything. A million pairs
 * in minutes are a hundred times what any bus does: what a process holds on to shows once it has had nothing to do.
 */
const REST_MS = 6_000;

export class Watched {
  #child;

  /** Starts `subject`: `usb-daemon`, or the name of a peer's file in bench/programs/subjects. Resolves once it listens. */
  static async start(bed, subject, options) {
    const watched = new Watched(bed.spawn([process.execPath, '--expose-gc', program, subject, JSON.stringify(options)]));
    await watched.#child.waitForLine((line) => JSON.parse(line).ready === true, { timeoutMs: PATIENCE_MS });
    return watched;
  }

  constructor(child) {
    this.#child = child;
  }

  /** Carries out one of the program's commands. */
  async ask(command) {
    this.#child.write(command);
    const line = await this.#child.waitForLine(() => true, { timeoutMs: PATIENCE_MS });
    return JSON.parse(line).answer;
  }

  /** Waits until it has heard so many events, and Redis has taken all of them. */
  async settle(events) {
    for (let last = 0, since = performance.now(); ; ) {
      const { heard, outbox } = await this.ask('state');
      const count = heard.attach + heard.detach;
      if (count >= events && (outbox?.waiting ?? 0) === 0) return { heard, outbox };
      const done = count + (outbox?.published ?? 0);
      if (done !== last) [last, since] = [done, performance.now()];
      // A peer may lose some: then it has heard what it will hear.
      if (!outbox && performance.now() - since > QUIET_MS) return { heard, outbox };
      if (performance.now() - since > PATIENCE_MS) throw new Error(`${count} of ${events} events came, ${outbox?.waiting} wait; ${this.#child.stderrText()}`);
      await pause(5);
    }
  }

  /**
   * What it takes now, in bytes and numbers, seen from outside. Where it `asks` as well, also what the process itself knows: of the heap both what
   * it holds and what remains when garbage has been collected, which comes after all that is seen from outside. Where it `rests` before, what it
   * takes then is seen from outside as well: `collectedRss`.
   */
  async sample({ asks = false, rests = false } = {}) {
    const proc = await this.#fromOutside();
    if (rests) await pause(REST_MS);
    const within = asks ? await this.#fromWithin() : {};
    return { ...proc, ...within, ...(rests ? { collectedRss: (await this.#fromOutside()).rss } : {}) };
  }

  async #fromWithin() {
    const { heapUsed, external } = await this.ask('memory');
    const settled = await this.ask('gc');
    const counts = [];
    for (let time = 0; time < 3; time += 1) counts.push(Object.values(await this.ask('resources')).reduce((sum, count) => sum + count, 0));
    // What is there for the moment of one question only is nobody's leak.
    return { heapUsed, external, resources: Math.min(...counts), settledHeap: settled.heapUsed, settledExternal: settled.external };
  }

  async #fromOutside() {
    const proc = `/proc/${this.#child.pid}`;
    const [rollup, descriptors, names] = await Promise.all([readFile(`${proc}/smaps_rollup`, 'utf8'), readdir(`${proc}/fd`), this.threadNames()]);
    // One more is started for each device that waits for its driver, whenever that is so at once.
    const engine = names.filter((name) => name === 'aw-engine').length;
    const field = (name) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)[1]) * 1024;
    const [rss, anonymous] = [field('Rss'), field('Anonymous')];
    return { rss, anonymous, file: rss - anonymous, descriptors: descriptors.length, threads: names.length - engine, engine };
  }

  /** What its memory is made of: resident bytes of each mapping, by what is mapped. */
  async mappings() {
    const text = await readFile(`/proc/${this.#child.pid}/smaps`, 'utf8');
    const sizes = {};
    let name;
    for (const line of text.split('\n')) {
      const mapping = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+ *(.*)$/.exec(line);
      if (mapping) name = `${mapping[2] || 'anonymous'} ${mapping[1]}`;
      const resident = /^Rss: +(\d+) kB/.exec(line);
      if (resident) sizes[name] = (sizes[name] ?? 0) + Number(resident[1]) * 1024;
    }
    return sizes;
  }

  /** Names of its threads. */
  async threadNames() {
    const tasks = `/proc/${this.#child.pid}/task`;
    const names = await Promise.all((await readdir(tasks)).map((thread) => readFile(`${tasks}/${thread}/comm`, 'utf8')));
    return names.map((name) => name.trim()).toSorted();
  }

  end() {
    return endByInput(this.#child, 10_000);
  }

  stderrText() {
    return this.#child.stderrText();
  }
}

/** Bytes of the outbox: the file, and what SQLite keeps beside it. */
export async function storeSize(path) {
  const sizes = await Promise.all([path, `${path}-wal`].map((file) => stat(file).then(({ size }) => size, () => 0)));
  return { store: sizes[0], wal: sizes[1] };
}
