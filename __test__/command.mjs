// The command line as a user runs it: both outputs as lines.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { packageRoot } from './daemon.mjs';

const program = join(packageRoot, 'bin', 'usb-daemon.js');
/** What a developer's shell may have set must not reach a test. */
const UNSET = /^(REDIS_|OTEL_|USB_DAEMON_|LOG_LEVEL$|RUST_LOG$|STATE_DIRECTORY$|XDG_STATE_HOME$)/;

/** A folder for state, for one test. */
export function stateFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-state-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Each has state of its own, unless `env` says where it is. `runtime`: what runs it. */
export function command(args, { env = {}, stdio = ['ignore', 'pipe', 'pipe'], runtime = process.execPath } = {}) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !UNSET.test(name)));
  const run = new Run(spawn(runtime, [program, ...args], { env: { ...clean, XDG_STATE_HOME: stateFolder(), ...env }, stdio }));
  onTestFinished(() => run.kill('SIGKILL'));
  return run;
}

/** A command that ends by itself; gives its code and lines. */
export async function finished(args, options) {
  const run = command(args, options);
  const { code } = await run.exit;
  return { code, stdout: run.stdout.lines, stderr: run.stderr.lines };
}

class Run {
  #child;

  constructor(child) {
    this.#child = child;
    this.stdout = new Lines(child.stdout);
    this.stderr = new Lines(child.stderr);
    /** Once it is gone, even where nobody reads what it has left. */
    this.gone = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    this.exit = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  get pid() {
    return this.#child.pid;
  }

  kill(signal) {
    this.#child.kill(signal);
  }

  /** Asks it to end, and gives how it did. */
  end(signal = 'SIGTERM') {
    this.kill(signal);
    return this.exit;
  }
}

class Lines {
  lines = [];
  #stream;
  #changed = () => {};

  constructor(stream) {
    this.#stream = stream;
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      this.lines.push(...lines);
      this.#changed();
    });
    stream?.once('close', () => {
      if (rest !== '') this.lines.push(rest);
      this.#changed();
    });
  }

  /** Waits for `count` lines that `pattern` matches, and gives them. */
  waitFor(pattern, { count = 1, timeoutMs = 20_000 } = {}) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = this.lines.filter((line) => pattern.test(line));
        if (found.length < count && !this.#stream.closed) return;
        clearTimeout(timer);
        this.#changed = () => {};
        if (found.length >= count) resolve(found);
        else reject(new Error(`ended before ${pattern} came: ${this.lines.join('\n')}`));
      };
      const timer = setTimeout(() => reject(new Error(`${pattern} did not come: ${this.lines.join('\n')}`)), timeoutMs);
      this.#changed = check;
      check();
    });
  }

  /** Reads no more: what is written from now on meets a closed pipe. */
  close() {
    this.#stream.destroy();
  }

  /** Reads no more for now: the writer has to wait once the pipe is full. */
  pause() {
    this.#stream.pause();
  }
}
