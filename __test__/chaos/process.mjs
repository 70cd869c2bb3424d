// A child process that speaks in lines of JSON, for as long as it lives.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

export class Process {
  lines = [];
  #child;
  #waiting = new Set();

  /** Runs `script` of this folder with `argument`, which it gets as JSON; `through` is a command that runs it. */
  constructor(script, argument, { through = [] } = {}) {
    const [command, ...args] = [...through, process.execPath, `${folder}${script}`, JSON.stringify(argument)];
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => {});
    this.exit = once(this.#child, 'close');
    this.exit.then(() => this.#look());
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line));
      this.#look();
    });
  }

  get isAlive() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  send(line) {
    this.#child.stdin.write(`${JSON.stringify(line)}\n`);
  }

  endInput() {
    this.#child.stdin.end();
  }

  /** Waits for a line that has `key`, beyond the first `seen` lines; null where the process ends before. */
  next(key, seen = 0) {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.lines.slice(seen).find((line) => key in line);
        if (!found && this.isAlive) return;
        this.#waiting.delete(look);
        resolve(found ?? null);
      };
      this.#waiting.add(look);
      look();
    });
  }

  signal(signal) {
    this.#child.kill(signal);
  }

  kill(signal = 'SIGKILL') {
    this.signal(signal);
    return this.exit;
  }

  #look() {
    for (const look of [...this.#waiting]) look();
  }
}
