// Clients that nobody wants: they get no more than their share, and events keep their latency.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openSimulatedBed } from './beds/simulated/index.mjs';
import { packageRoot } from './daemon.mjs';
import { answers, ask, follow, monitoringAt, raw } from './http-served.mjs';
import { median } from './median.mjs';
import { observe } from './observe.mjs';
import { freePort } from './redis-server.mjs';
import { until } from './until.mjs';

/** Connections at once, and the one that has just come. */
const MOST = 257;
/** In the full run. */
const CONNECTIONS = Number(process.env.USB_DAEMON_CONNECTIONS ?? 1000);

/** A daemon in a process of its own, and its unwanted clients in another. */
async function besieged({ through } = {}) {
  const bed = openSimulatedBed();
  onTestFinished(() => bed.close());
  const port = await freePort();
  const host = await observe(bed, { config: { sources: ['simulated'], redis: false, ...monitoringAt(port) }, through });
  await host.ask('start');
  await until(() => answers(port), 'the server');
  const crowd = fork(join(packageRoot, '__test__', 'http-crowd.cjs'), [String(port)]);
  onTestFinished(() => crowd.kill('SIGKILL'));
  await once(crowd, 'message');
  const descriptors = () => readdirSync(`/proc/${host.pid}/fd`).length;
  const before = descriptors();
  return { host, port, crowd: new Crowd(crowd), sockets: () => descriptors() - before };
}

class Crowd {
  #child;

  constructor(child) {
    this.#child = child;
  }

  /** Resolves once the attack is over; one that goes on `again` and again ends with `end`. */
  async attack(attack, how = {}) {
    const done = once(this.#child, 'message');
    this.#child.send({ attack, ...how });
    await done;
  }

  /** Begins one that goes on until `end`; resolves once it is under way. */
  async begin(attack, how) {
    const begun = once(this.#child, 'message');
    this.#child.send({ attack, again: true, ...how });
    await begun;
  }

  async end() {
    const over = new Promise((resolve) => {
      const left = new Set(['over', 'done']);
      const hear = (word) => {
        left.delete(word);
        if (left.size > 0) return;
        this.#child.off('message', hear);
        resolve();
      };
      this.#child.on('message', hear);
    });
    this.#child.send({});
    await over;
  }
}


it('hundreds of half requests keep nobody out, and take no more sockets than there may be', async () => {
  const { port, crowd, sockets } = await besieged();
  await crowd.attack('halves', { count: 400 });
  expect(sockets()).toBeGreaterThan(200);
  for (let go = 0; go < 20; go += 1) {
    expect((await ask(port, '/health')).status).toBe(200);
    expect(sockets()).toBeLessThanOrEqual(MOST);
  }
  // Nobody had to wait until they were given up.
  expect(sockets()).toBeGreaterThan(200);
});

it('where the process may have few file descriptors it takes few of them', async () => {
  const { port, crowd, sockets } = await besieged({ through: ['prlimit', '--nofile=128'] });
  await crowd.attack('halves', { count: 100 });
  for (let go = 0; go < 5; go += 1) {
    expect((await ask(port, '/health')).status).toBe(200);
    expect(sockets()).toBeLessThanOrEqual(128 / 4 + 1);
  }
  expect(sockets()).toBeGreaterThan(20);
});

it(`${CONNECTIONS} connections keep nobody out, whatever they say`, async () => {
  const { port, crowd, sockets } = await besieged();
  for (const kind of ['flood', 'whole']) {
    let isOver = false;
    const attack = crowd.attack(kind, { count: CONNECTIONS / 2 }).then(() => (isOver = true));
    const asked = { answered: 0, cut: 0 };
    while (!isOver) {
      // Who takes longer to ask than others may be cut off, as any client may be, and comes again.
      const status = await ask(port, '/health').then(({ status }) => status, ({ code }) => code);
      expect([200, 'ECONNRESET']).toContain(status);
      asked[status === 200 ? 'answered' : 'cut'] += 1;
      expect(sockets()).toBeLessThanOrEqual(MOST);
    }
    await attack;
    console.log(`${kind}: ${JSON.stringify(asked)}`);
    expect(asked.answered).toBeGreaterThan(10 * asked.cut);
  }
}, 60_000 + 20 * CONNECTIONS);

it('nonsense is refused or cut off, and nothing comes of it', async () => {
  const { port, crowd, sockets } = await besieged();
  const closing = 'Host: localhost\r\nConnection: close\r\n';
  for (const [name, bytes, answer] of [
    ['random bytes', Buffer.from(Array.from({ length: 300 }, (_, at) => (at * 37 + 128) % 256)), /^(HTTP\/1\.1 400 |$)/],
    ['a header without an end', `GET /live HTTP/1.1\r\n${closing}X: ${'x'.repeat(100_000)}`, /^(HTTP\/1\.1 431 |$)/],
    ['headers without number', `GET /live HTTP/1.1\r\n${closing}${'X: y\r\n'.repeat(100)}\r\n`, /^HTTP\/1\.1 431 /],
    ['a head of 20 KiB', `GET /live HTTP/1.1\r\n${closing}${`X: ${'x'.repeat(1000)}\r\n`.repeat(20)}\r\n`, /^HTTP\/1\.1 431 /],
    ['a chunk that is none', `POST /health HTTP/1.1\r\n${closing}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`, /^HTTP\/1\.1 405 /],
    ['two lengths', `GET /live HTTP/1.1\r\n${closing}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['a length that is none', `GET /live HTTP/1.1\r\n${closing}Content-Length: -1\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^(HTTP\/1\.1 (400|505) |$)/],
  ]) {
    expect(await raw(port, bytes), name).toMatch(answer);
  }
  const requests = 'GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(200);
  const pipelined = await raw(port, `${requests}GET /ready HTTP/1.1\r\n${closing}\r\n`);
  expect(pipelined.match(/^HTTP\/1\.1 200 OK/gm)).toHaveLength(201);
  await crowd.attack('nonsense', { rounds: 5 });
  await until(() => sockets() <= 1, 'all of them to be gone');
  expect((await ask(port, '/health')).status).toBe(200);
});

/** What events' latency is like under some strain, as a multiple of what it is without: in turns, because the machine may have others to serve. */
async function strained(host, begin, end) {
  const rounds = 50;
  const [calm, times] = [[], []];
  await host.ask('latencies', { rounds });
  for (let go = 0; go < 6; go += 1) {
    calm.push(...(await host.ask('latencies', { rounds })));
    await begin();
    times.push(...(await host.ask('latencies', { rounds })));
    await end();
  }
  return median(times) / median(calm);
}

it('who follows the events and asks for figures costs events nothing to speak of', async () => {
  const { host, port } = await besieged();
  let streams;
  const begin = async () => {
    streams = await Promise.all([1, 2, 3].map(() => follow(port, '/events')));
    await ask(port, '/metrics');
  };
  const end = async () => {
    await Promise.all(streams.map((stream) => stream.waitUntil(({ transitions }) => transitions.length >= 100, 'all of them')));
    for (const stream of streams) stream.close();
  };
  const ratio = await strained(host, begin, end);
  console.log(`latency while followed: ${ratio.toFixed(2)} of that without`);
  expect(ratio).toBeLessThan(1.5);
});

it.each(['halves', 'flood', 'nonsense'])('events keep their latency meanwhile: %s', async (kind) => {
  const { host, crowd } = await besieged();
  const ratio = await strained(host, () => crowd.begin(kind, { count: 300, rounds: 1 }), () => crowd.end());
  console.log(`latency while attacked by ${kind}: ${ratio.toFixed(2)} of that without`);
  expect(ratio).toBeLessThan(3);
});
