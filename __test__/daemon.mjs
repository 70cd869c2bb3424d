// A daemon in the test's own process that remembers all it says.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const packageRoot = fileURLToPath(new URL('..', import.meta.url));
/** As a user's CommonJS program gets it: through Node, not through vitest's transformation. */
export const USBDaemon = createRequire(import.meta.url)('..');
export const { USBEventConsumer, USBEventPublisher } = USBDaemon;

const EVENTS = ['device:attach', 'device:detach', 'event:published', 'started', 'stopped', 'gap', 'source:state', 'redis:state', 'error'];
/** For tests of anything but the pace. */
export const UNPACED = { max_events_per_second: 0 };
const QUIET = { sources: ['simulated'], redis: false, monitoring: { enabled: false }, performance: UNPACED };

/** A daemon with the simulated source and what `config` says; stopped when the test ends. Start it yourself. */
export function openDaemon(config = {}) {
  const performance = { ...QUIET.performance, ...config.performance };
  const daemon = new USBDaemon({ ...QUIET, ...config, performance });
  onTestFinished(() => daemon.stop());
  return Object.assign(daemon, { heard: new Heard(daemon) });
}

class Heard {
  /** Everything said so far as { event, value, context }, in order. */
  all = [];
  #waiting = new Set();

  constructor(daemon) {
    for (const event of EVENTS) {
      daemon.on(event, (value, context) => {
        const line = { event, value, context };
        this.all.push(line);
        for (const check of this.#waiting) check();
      });
    }
  }

  of(event) {
    return this.all.filter((line) => line.event === event).map(({ value }) => value);
  }

  /** Waits until `event` has been said at least `count` times in a way that `match` accepts; gives those values. */
  waitFor(event, { match = () => true, count = 1, timeoutMs = 20_000 } = {}) {
    return new Promise((resolve, reject) => {
      let seen = 0;
      let at = 0;
      const check = () => {
        for (; at < this.all.length; at += 1) seen += this.all[at].event === event && match(this.all[at].value) ? 1 : 0;
        if (seen < count) return;
        this.#waiting.delete(check);
        clearTimeout(timer);
        resolve(this.of(event).filter(match));
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`${seen} of ${count} ${event} came; last: ${JSON.stringify(this.all.slice(-3))}`));
      }, timeoutMs);
      this.#waiting.add(check);
      check();
    });
  }
}

/** So many transitions, flat out: devices come and go on a hundred ports. */
export function cycle(daemon, transitions) {
  for (let at = 0; at < transitions; at += 2) {
    const name = `201-1.${1 + ((at / 2) % 100)}`;
    daemon.simulateAttach({ name, vendorId: 0x046d, productId: 0xc31c, product: 'Keyboard', serialNumber: String(at) });
    daemon.simulateDetach(name);
  }
}
