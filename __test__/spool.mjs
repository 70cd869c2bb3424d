// Plays the helper that udev calls: notes each uevent of a device in a bed, and writes records of them when it is told to.

import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
const ACTIONS = { add: 'attach', remove: 'detach' };

/** A record of a uevent, as the helper writes it. */
export function recordOf({ action, seqnum, devpath, busnum, devnum, product }, more = {}) {
  const fields = { VERSION: 1, ACTION: ACTIONS[action], BOOT_ID: bootId, SEQNUM: seqnum, TIMESTAMP: Date.now(), DEVPATH: devpath, BUSNUM: busnum, DEVNUM: devnum, PRODUCT: product, TYPE: '0/0/0', ...more };
  return Object.entries(fields).map(([key, value]) => `${key}=${value}\n`).join('');
}

export class Spool {
  #log;
  #heard = [];
  #waiting = [];

  constructor(path) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  /** Notes what comes and goes in a bed from now on. */
  async listen(bed) {
    this.#log = await bed.startLog();
    this.#read();
    return this;
  }

  async #read() {
    for await (const line of this.#log.stdout) {
      const uevent = JSON.parse(line);
      if (!(uevent.action in ACTIONS)) continue;
      this.#heard.push(uevent);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** The next so many uevents, once they have come. */
  async next(count) {
    while (this.#heard.length < count) await new Promise((resolve) => this.#waiting.push(resolve));
    return this.#heard.splice(0, count);
  }

  /** Writes a file whole, under another name first. */
  put(name, content) {
    const draft = join(this.path, '..', `.draft-${process.pid}`);
    writeFileSync(draft, content);
    renameSync(draft, join(this.path, name));
  }

  write(uevents, more) {
    for (const uevent of uevents) this.put(`${String(uevent.seqnum).padStart(20, '0')}.event`, recordOf(uevent, more));
  }

  /** Names of what lies there. */
  get files() {
    return readdirSync(this.path).sort();
  }
}
