// The programs of this folder: each is told what to do in lines, and answers in lines of JSON.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Starts a program; it ends with its input. */
export function start(name, options) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`./${name}.cjs`, import.meta.url)), JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exit = once(child, 'exit');
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} has ended`);
    return JSON.parse(value);
  };
  return {
    pid: child.pid,
    line,
    ask: (command = {}) => {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      return line();
    },
    end: async () => {
      child.stdin.end();
      await exit;
    },
  };
}
