// A real redis-server on a free port, for one test.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Redis from 'ioredis';

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a server; `args` as on its command line. With `port`, there. */
export async function startRedis({ port, args = [], folder, client = {} } = {}) {
  const server = new RedisServer(port ?? (await freePort()), folder ?? (await mkdtemp(join(tmpdir(), 'usb-daemon-redis-'))), args, client);
  await server.start();
  return server;
}

class RedisServer {
  #child;
  #args;
  #clientOptions;

  constructor(port, folder, args, client) {
    this.port = port;
    this.folder = folder;
    this.#args = args;
    this.#clientOptions = client;
  }

  async start(args = this.#args) {
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', '', '--daemonize', 'no'];
    this.#child = spawn('redis-server', [...fixed, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout.setEncoding('utf8');
    let log = '';
    const listening = new Promise((resolve, reject) => {
      this.#child.stdout.on('data', (text) => {
        log += text;
        if (/Ready to accept connections|Loading RDB|Server initialized/.test(log)) resolve();
      });
      this.#child.once('error', (error) => reject(new Error(`redis-server cannot start: ${error.message}; install Debian's redis-server`)));
      this.#child.once('exit', () => reject(new Error(`redis-server ended: ${log}`)));
    });
    await listening;
    this.client = new Redis({ port: this.port, host: '127.0.0.1', maxRetriesPerRequest: null, ...this.#clientOptions });
    this.client.on('error', () => {});
  }

  /** Every entry of the stream as [id, { field: value }], in order. */
  async entries(stream = 'aw:hotplug') {
    const raw = await this.client.xrange(stream, '-', '+');
    return raw.map(([id, flat]) => [id, Object.fromEntries(flat.map((name, at) => [name, flat[at + 1]]).filter((_, at) => at % 2 === 0))]);
  }

  /** Waits until the stream has so many entries. */
  async waitForEntries(count, { stream = 'aw:hotplug', timeoutMs = 20_000 } = {}) {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const length = await this.client.xlen(stream);
      if (length >= count) return this.entries(stream);
      if (Date.now() > deadline) throw new Error(`${length} of ${count} entries came within ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  signal(signal) {
    this.#child.kill(signal);
  }

  /** Ends the server at once; what it had in memory is gone. */
  async kill() {
    this.client.disconnect();
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async close() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
