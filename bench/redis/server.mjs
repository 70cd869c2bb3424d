// One real redis-server on a unix socket, and what its streams say of those who wrote to them.

import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../../__test__/redis-server.mjs';
import { until } from '../../__test__/until.mjs';

/** Starts it, without persistence: what is measured is not its disk. */
export async function startBenchServer(args = []) {
  const folder = await mkdtemp(join(tmpdir(), 'usb-daemon-bench-'));
  const server = await startRedis({ args: ['--unixsocket', join(folder, 'redis.sock'), ...args] });
  return new BenchServer(server, folder);
}

class BenchServer {
  #server;
  #doors = 0;

  constructor(server, folder) {
    this.#server = server;
    this.folder = folder;
    this.client = server.client;
    this.path = join(folder, 'redis.sock');
  }

  /** A path that leads to the server only once it is opened: until then Redis is away for whoever was given it. */
  door() {
    this.#doors += 1;
    const path = join(this.folder, `door-${this.#doors}.sock`);
    return { path, open: () => symlink(this.path, path), close: () => rm(path, { force: true }) };
  }

  /** Waits until the stream has so many entries. It asks seldom: each question is work for the server as well. */
  async filled(stream, events) {
    await until(async () => (await this.client.xlen(stream)) >= events, `${events} entries in ${stream}`, { timeoutMs: 120_000 });
  }

  /**
   * Entries a second, by the server's own clock, which is in their IDs: of those between the first and the last millisecond, so that what
   * came before the first and after the last is no part of it.
   */
  async rate(stream) {
    const [[[first]], [[last]], count] = await Promise.all([this.client.xrange(stream, '-', '+', 'COUNT', 1), this.client.xrevrange(stream, '+', '-', 'COUNT', 1), this.client.xlen(stream)]);
    return ((count - 1) * 1000) / Math.max(1, Number(last.split('-')[0]) - Number(first.split('-')[0]));
  }

  /** Processor time of the server so far, in µs. */
  async cpuMicros() {
    const text = await this.client.info('cpu');
    const [user, system] = ['user', 'sys'].map((kind) => Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(text)[1]));
    return (user + system) * 1e6;
  }

  async memory() {
    return Number(/used_memory:(\d+)/.exec(await this.client.info('memory'))[1]);
  }

  /** Without the buffers of its clients. */
  async dataset() {
    return Number(/used_memory_dataset:(\d+)/.exec(await this.client.info('memory'))[1]);
  }

  async close() {
    await this.#server.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
