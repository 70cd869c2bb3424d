// A process that stands still.

import { readFile, readdir } from 'node:fs/promises';

/** Stops `process` (`pid`, `kill`) with SIGSTOP; resolves once each of its threads stands still. */
export async function standStill(process) {
  process.kill('SIGSTOP');
  const threads = `/proc/${process.pid}/task`;
  // One that has ended meanwhile is not listed the next time.
  const stands = (thread) => readFile(`${threads}/${thread}/stat`, 'utf8').then((stat) => stat.includes(') T '), () => false);
  while (!(await Promise.all((await readdir(threads)).map(stands))).every(Boolean));
}
