// Workers that are terminated abruptly with a busy daemon in them, a hundred times in one process: it goes on, and nothing
// of them is left but what they published.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { script } from './lifecycle/program.mjs';
import { median } from './median.mjs';
import { fieldsOf, freePort, seqsOf, startRedis, upTo } from './redis-server.mjs';

const ROUNDS = 100;
/** They take 8 seconds, and two minutes where others want the processors as well. */
const LONGEST_MS = 400_000;
/** By now every path has been taken once, and what is made once in a process is there. */
const SETTLED = 10;
/** Sources of the machine, the HTTP server and the simulated source, without a pace. */
const BUSY = {
  sources: { simulated: true },
  monitoring: { enabled: true, healthcheck_port: 0 },
  performance: { max_events_per_second: 0 },
};

function outboxFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-workers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function churn(config, rounds = ROUNDS) {
  return script('worker-churn.cjs', [rounds, JSON.stringify({ ...BUSY, ...config })], { flags: ['--expose-gc'] });
}

describe(`${ROUNDS} workers that are terminated with a busy daemon`, () => {
  let ended;
  let entries;
  beforeAll(async () => {
    const server = await startRedis();
    const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-workers-'));
    try {
      ended = await churn({ redis: { host: '127.0.0.1', port: server.port }, outbox: { path: join(folder, 'outbox.db') } });
      entries = await server.entries();
    } finally {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }, LONGEST_MS);

  it('do not end the process: it goes on to its own end with 0', () => {
    const { code, signal, stderr, lines } = ended;
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(lines.map(({ round }) => round)).toEqual(upTo(ROUNDS));
  });

  it('leave no thread once they are terminated', () => {
    expect(ended.lines).toHaveLength(ROUNDS);
    for (const { round, threads } of ended.lines) expect({ round, threads }).toEqual({ round, threads: [] });
  });

  it('leave no file descriptor', () => {
    const counts = ended.lines.map(({ descriptors }) => descriptors);
    expect(counts.at(-1)).toBe(counts[SETTLED - 1]);
  });

  it('leave no memory: the last ten find about what the first ten left', () => {
    const sizes = ended.lines.map(({ rss }) => rss);
    expect(median(sizes.slice(-10)) / median(sizes.slice(SETTLED, SETTLED * 2))).toBeLessThan(1.25);
  });

  it('leave their outbox to the next one, which publishes what they did not, each event once', () => {
    expect(ended.lines.flatMap(({ errors }) => errors)).toEqual([]);
    expect(entries.length).toBeGreaterThan(ROUNDS);
    expect(seqsOf(entries)).toEqual(upTo(entries.length));
    expect(new Set(entries.map((entry) => fieldsOf(entry).event_id.split(':')[0])).size).toBe(1);
  });
});

describe('workers that are terminated while Redis is away', () => {
  it('leave no thread and no file descriptor either', { timeout: LONGEST_MS }, async () => {
    const outbox = { path: join(outboxFolder(), 'outbox.db') };
    const redis = { host: '127.0.0.1', port: await freePort() };
    const { code, signal, stderr, lines } = await churn({ redis, outbox }, 30);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    for (const { round, threads } of lines) expect({ round, threads }).toEqual({ round, threads: [] });
    expect(lines).toHaveLength(30);
    expect(lines.at(-1).descriptors).toBe(lines[SETTLED - 1].descriptors);
  });
});
