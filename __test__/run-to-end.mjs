// A program that ends by itself, beside what this process serves.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs it in a folder, and gives its status and all that it has said. */
export async function runToEnd(cwd, env, program, ...args) {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  const [status] = await once(child, 'close');
  return { status, ...output };
}
