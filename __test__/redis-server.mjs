// A real redis-server on a free port, for one test.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Redis from 'ioredis';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

export { freePort };

/** 7.0 is Debian's; scripts/setup/redis-servers.sh gets the others. */
export const REDIS_VERSIONS = ['6.2', '7.0', '8.2'];

function program(version) {
  if (version === '7.0') return 'redis-server';
  return fileURLToPath(new URL(`../.cache/redis/${version}/redis-server`, import.meta.url));
}

/** Starts a server; `args` as on its command line, `client` for the test's own connection. With `port`, there. */
export async function startRedis({ port, version = '7.0', args = [], client = {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'usb-daemon-redis-'));
  const server = new RedisServer(port ?? (await freePort()), folder, { version, args }, client);
  await server.start();
  return server;
}

class RedisServer {
  #program;
  #args;
  #clientOptions;
  #child;
  #exited;

  constructor(port, folder, { version, args }, clientOptions) {
    this.port = port;
    this.folder = folder;
    this.#program = program(version);
    this.#args = args;
    this.#clientOptions = clientOptions;
  }

  /** Starts it, again on the same port and with its files; resolves once it listens, even if it still loads them. */
  async start(more = []) {
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', ''];
    const child = spawn(this.#program, [...fixed, ...this.#args, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    this.#exited = once(child, 'exit');
    let log = '';
    await new Promise((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text) => {
        log += text;
        if (log.includes('Server initialized')) resolve();
      });
      child.once('error', (error) => reject(new Error(`${this.#program} cannot start: ${error.message}; run sh scripts/setup/test.sh`)));
      child.once('exit', () => reject(new Error(`redis-server ended: ${log}`)));
    });
    this.client = new Redis({ port: this.port, host: '127.0.0.1', maxRetriesPerRequest: null, ...this.#clientOptions });
    // It reconnects by itself; a test that needs it waits for its answer.
    this.client.on('error', () => {});
  }

  /** The stream's entries as [id, [field, value, …]], in order. */
  entries(stream = 'aw:hotplug') {
    return this.client.xrange(stream, '-', '+');
  }

  /** Waits until the stream has so many entries, and gives them. */
  async waitForEntries(count, { stream = 'aw:hotplug', timeoutMs } = {}) {
    await until(async () => (await this.client.xlen(stream)) >= count, `${count} entries in ${stream}`, { timeoutMs });
    return this.entries(stream);
  }

  /**
   * What an operator does before a start after a crash. Without it, servers up to 8.2 at least keep the beginning of a
   * transaction whose end did not reach the file, and execute it together with the next one at the start after (valkey#4342).
   */
  async repair() {
    // 6.2 has one file and no manifest.
    const files = ['appendonlydir/appendonly.aof.manifest', 'appendonly.aof'].map((name) => join(this.folder, name));
    const check = spawn('redis-check-aof', ['--fix', files.find((file) => existsSync(file))], { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    check.stdout.setEncoding('utf8').on('data', (text) => (said += text));
    check.stdin.on('error', () => {});
    check.stdin.end('y\n');
    const [code] = await once(check, 'close');
    if (code !== 0) throw new Error(`redis-check-aof failed: ${said}`);
    return /Successfully truncated/.test(said);
  }

  async connectionsReceived() {
    return Number(/total_connections_received:(\d+)/.exec(await this.client.info('stats'))[1]);
  }

  signal(signal) {
    this.#child.kill(signal);
  }

  /** Ends the server at once; what it had only in memory is gone. */
  async kill() {
    this.client.disconnect();
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async close() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** An entry's fields by name. */
export function fieldsOf([, flat]) {
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : [])));
}

/** The numbers of the entries' events, in the stream's order. */
export function seqsOf(entries) {
  return entries.map((entry) => Number(fieldsOf(entry).seq));
}

/** 1, 2, 3 … */
export function upTo(count) {
  return Array.from({ length: count }, (_, at) => at + 1);
}
