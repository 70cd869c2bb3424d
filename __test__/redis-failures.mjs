// The ways in which a Redis does not take events, each with its remedy.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { freePort, startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

/** In no line may this be seen. */
export const SECRET = 'hunter2-s3cret';

/**
 * `reason` is what has to be said. `open` gives `redis` (USBDaemon's configuration), `retried(n)` (resolves when the
 * daemon has tried n times more), `recover()` (resolves with the server that takes events from then on) and `close()`.
 */
export const FAILURES = [
  {
    name: 'nothing listens there',
    reason: /connection refused: is redis-server running/,
    open: async () => withoutServer(await freePort(), connectionsRefused),
  },
  {
    name: 'something there that speaks HTTP',
    reason: /does not speak Redis's protocol: check redis\.host and redis\.port/,
    open: () => imposter(createHttpServer((_request, response) => response.end('hello\n'))),
  },
  {
    name: 'something there that accepts and says nothing',
    reason: /no answer in time: is it Redis\?/,
    open: () => imposter(createServer((socket) => socket.on('error', () => {}).resume())),
    redis: { timeout_ms: 100 },
  },
  {
    name: 'something there that hangs up',
    reason: /it closed the connection: is it Redis/,
    open: () => imposter(createServer((socket) => socket.on('error', () => {}).end())),
  },
  {
    name: 'NOAUTH',
    reason: /NOAUTH: it wants a password: set redis\.password or REDIS_PASSWORD/,
    open: () => server({ args: ['--requirepass', SECRET], client: { password: SECRET } }, { cure: ['CONFIG', 'SET', 'requirepass', ''] }),
  },
  {
    name: 'WRONGPASS',
    reason: /refuses this user or password: check redis\.username and redis\.password/,
    open: () => server({ args: ['--requirepass', 'another'], client: { password: 'another' } }, { cure: ['CONFIG', 'SET', 'requirepass', SECRET] }),
    redis: { password: SECRET },
  },
  {
    name: 'NOPERM',
    reason: /NOPERM: this user may not do that: it needs XADD on the stream/,
    open: () => server({}, { ill: ['ACL', 'SETUSER', 'daemon', 'on', `>${SECRET}`, '~other', '+@all'], cure: ['ACL', 'SETUSER', 'daemon', '~aw:hotplug'] }),
    redis: { username: 'daemon', password: SECRET },
  },
  {
    name: 'LOADING',
    reason: /LOADING: it is loading its data set/,
    open: () => loading(),
  },
  {
    name: 'READONLY',
    reason: /READONLY: it is a read-only replica: point redis\.host at the primary/,
    open: async () => server({}, { ill: ['REPLICAOF', '127.0.0.1', String(await freePort())], cure: ['REPLICAOF', 'NO', 'ONE'] }),
  },
  {
    name: 'OOM',
    reason: /OOM: its memory is full: raise maxmemory/,
    open: () => server({ args: ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'] }, { cure: ['CONFIG', 'SET', 'maxmemory', '0'] }),
  },
  {
    name: 'WRONGTYPE',
    reason: /WRONGTYPE: aw:hotplug holds something else: remove it, or choose another redis\.stream/,
    open: () => server({}, { ill: ['SET', 'aw:hotplug', 'text'], cure: ['DEL', 'aw:hotplug'] }),
  },
  {
    name: 'a database that is not there',
    reason: /DB index is out of range: check its log and redis\.db/,
    open: () => server({ args: ['--databases', '1'] }, { cure: 'restart' }),
    redis: { db: 3 },
    db: 3,
  },
];

async function server(options, { ill, cure }) {
  const redis = await startRedis(options);
  if (ill) await redis.client.call(...ill);
  return {
    redis: { host: '127.0.0.1', port: redis.port },
    retried: (times) => counted(() => redis.connectionsReceived(), times),
    async recover() {
      if (cure === 'restart') {
        await redis.kill();
        await redis.start(['--databases', '16']);
      } else {
        await redis.client.call(...cure);
      }
      return redis;
    },
    close: () => redis.close(),
  };
}

/** A server that needs long to load what it saved, unless it is told to hurry. */
async function loading() {
  const redis = await startRedis({ client: { enableReadyCheck: false } });
  for (let at = 0; at < 1000; at += 1) redis.client.set(`key-${at}`, `${at}`.repeat(50));
  await redis.client.save();
  await redis.kill();
  await redis.start(['--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024', '--rdbcompression', 'no']);
  return {
    redis: { host: '127.0.0.1', port: redis.port },
    retried: (times) => counted(() => redis.connectionsReceived(), times),
    async recover() {
      await redis.client.config('SET', 'key-load-delay', '0');
      await until(async () => /loading:0/.test(await redis.client.info('persistence')), 'the server to have loaded');
      return redis;
    },
    close: () => redis.close(),
  };
}

async function imposter(listener) {
  let connections = 0;
  listener.on('connection', () => (connections += 1));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  const open = new Set();
  listener.on('connection', (socket) => open.add(socket.once('close', () => open.delete(socket))));
  const end = async () => {
    if (!listener.listening) return;
    listener.close();
    for (const socket of open) socket.destroy();
    await once(listener, 'close');
  };
  return { ...withoutServer(port, () => connections, end), openConnections: () => open.size };
}

function withoutServer(port, attempts, end = async () => {}) {
  let redis;
  return {
    redis: { host: '127.0.0.1', port },
    retried: (times) => counted(attempts, times),
    async recover() {
      await end();
      redis = await startRedis({ port });
      return redis;
    },
    async close() {
      await end();
      await redis?.close();
    },
  };
}

async function counted(count, times) {
  const before = await count();
  await until(async () => (await count()) >= before + times, `${times} attempts`);
}

/** How many connections have been refused in this network namespace; nobody else in the tests is refused meanwhile. */
function connectionsRefused() {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8').split('\n').filter((line) => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('AttemptFails')]);
}
