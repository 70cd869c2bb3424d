// Programs of their own process: how they ended, and what they printed as lines of JSON.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Less than a test or a hook takes: one that says nothing for so long hangs. On a busy machine one that goes on may take longer in all. */
const PATIENCE_MS = 55_000;
const folder = fileURLToPath(new URL('.', import.meta.url));

/** Runs a script of this folder with `runtime` until it ends by itself. */
export async function script(name, args = [], { runtime = process.execPath, flags = [] } = {}) {
  const { lines, ...ended } = await program([...flags, `${folder}${name}`, ...args.map(String)], { runtime });
  return { ...ended, lines: lines.map((line) => JSON.parse(line)) };
}

export async function program(argv, { runtime = process.execPath } = {}) {
  // One that hangs is ended, and shows that as its signal.
  const child = spawn(runtime, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const silence = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part) => {
    stdout += part;
    silence.refresh();
  });
  child.stderr.setEncoding('utf8').on('data', (part) => (stderr += part));
  const [code, signal] = await once(child, 'close').finally(() => clearTimeout(silence));
  return { code, signal, stderr, lines: stdout.split('\n').slice(0, -1) };
}
