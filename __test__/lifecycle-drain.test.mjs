// SIGTERM to the command line with events that wait for a Redis that is away, and comes back while the daemon drains.

import { writeFileSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command, stateFolder } from './command.mjs';
import { fieldsOf, freePort, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

/** Far beyond a test's time: only what it waits for ends the drain. */
const LONG_MS = 300_000;

/** A run whose Redis is not there; resolves once it has events for it. */
async function waitingRun({ outbox = [], port }) {
  const config = join(stateFolder(), 'config.json');
  writeFileSync(config, JSON.stringify({ redis: { host: '127.0.0.1', port }, sources: [], monitoring: { enabled: false }, shutdown_ms: LONG_MS }));
  const run = command(['--config', config, '--simulate', '--json', ...outbox]);
  await run.stdout.waitFor(/"connected":false/);
  await run.stdout.waitFor(/"type":"(attach|detach|left)"/, { count: 3 });
  return run;
}

/** Resolves once the daemon in `run` listens to no source any more: the signal has been taken. */
function listensNoMore(run) {
  const folder = `/proc/${run.pid}/task`;
  const nameOf = (thread) => readFile(`${folder}/${thread}/comm`, 'utf8').catch(() => '');
  return until(async () => !(await Promise.all((await readdir(folder)).map(nameOf))).includes('aw-simulated\n'), 'the source to stop');
}

/** Events that the run has told of, in order. */
function told(run) {
  return run.stdout.lines.map((line) => JSON.parse(line)).filter(({ type }) => /^(attach|detach|left)$/.test(type));
}

describe('SIGTERM with events that wait for Redis', () => {
  for (const [where, outbox] of [
    ['in memory', ['--outbox', ':memory:']],
    ['on disk', []],
  ]) {
    it(`waits for a Redis that comes back within shutdown_ms, publishes them all, and ends with 0, with the outbox ${where}`, async () => {
      const port = await freePort();
      const run = await waitingRun({ outbox, port });
      run.kill('SIGTERM');
      await listensNoMore(run);
      const redis = await startRedis({ port });
      onTestFinished(() => redis.close());
      expect(await run.exit).toEqual({ code: 0, signal: null });
      const entries = await redis.entries();
      const events = told(run);
      expect(seqsOf(entries)).toEqual(upTo(events.length));
      expect(entries.map((entry) => fieldsOf(entry).action)).toEqual(events.map(({ type }) => (type === 'attach' ? 'attach' : 'detach')));
      expect(run.stdout.lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'error')).toEqual([]);
      expect(JSON.parse(run.stdout.lines.at(-1))).toEqual({ type: 'stopped' });
    });
  }

  it('goes on waiting while Redis is away: a second signal ends it, as if it had never been handled', async () => {
    const run = await waitingRun({ port: await freePort() });
    run.kill('SIGTERM');
    await listensNoMore(run);
    run.kill('SIGTERM');
    expect(await run.exit).toEqual({ code: null, signal: 'SIGTERM' });
    expect(run.stdout.lines.filter((line) => /"type":"stopped"/.test(line))).toEqual([]);
  });
});
