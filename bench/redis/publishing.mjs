// Those who publish, each on a stream of its own: how fast, and what it costs them and the server.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { start } from './program.mjs';

const run = promisify(execFile);

/** Fills an outbox while Redis is away, then opens the way, and measures what comes. `path`: the outbox's file, or null. */
export async function publishBacklog(server, { stream, events, batch, path, performance: more = {} }) {
  const door = server.door();
  const config = {
    sources: ['simulated'],
    monitoring: { enabled: false },
    redis: { path: door.path, stream },
    outbox: path === null ? { path: null, max_events: events } : { path, max_events: events },
    performance: { batch_size: batch, max_events_per_second: 0, ...more },
  };
  const child = start('backlog', { config, events });
  await child.line();
  const before = [await server.cpuMicros(), (await child.ask()).cpuMicros];
  await door.open();
  await server.filled(stream, events);
  const { cpuMicros, outbox } = await child.ask();
  const figures = { ...(await figuresOf(server, stream, events)), cpu: (cpuMicros - before[1]) / events, serverCpu: ((await server.cpuMicros()) - before[0]) / events };
  await child.end();
  await door.close();
  if (outbox.dropped > 0) throw new Error(`${outbox.dropped} events were dropped`);
  return figures;
}

/** A client of Node adds the same entry again and again. `client`: `ioredis` or `node-redis`. */
export async function publishByClient(server, { client, peers, stream, fields, events, batch }) {
  const before = await server.cpuMicros();
  const child = start('client', { client, peers, path: server.path, stream, fields, events, batch });
  const { cpuMicros } = await child.line();
  await child.end();
  return { ...(await figuresOf(server, stream, events)), cpu: cpuMicros / events, serverCpu: ((await server.cpuMicros()) - before) / events };
}

/** Redis' own benchmark, on one connection. */
export async function publishByBenchmark(server, { stream, fields, events, batch }) {
  const before = await server.cpuMicros();
  const args = ['-s', server.path, '-c', '1', '-P', String(batch), '-n', String(events), '--csv', 'XADD', stream, '*', ...fields.flat()];
  const { stdout } = await run('redis-benchmark', args, { maxBuffer: 1 << 24 });
  const said = Number(/^".*",?"([\d.]+)","[\d.]+","[\d.]+","[\d.]+","[\d.]+","[\d.]+","[\d.]+"\s*$/m.exec(stdout)?.[1]);
  return { ...(await figuresOf(server, stream, events)), said, cpu: null, serverCpu: ((await server.cpuMicros()) - before) / events };
}

async function figuresOf(server, stream, events) {
  await server.filled(stream, events);
  return { rate: await server.rate(stream), bytes: (await server.client.call('MEMORY', 'USAGE', stream, 'SAMPLES', '0')) / events };
}

/** Where a round's outbox is. */
export const outboxFile = (server, name) => join(server.folder, `${name}.db`);
