// Consumers, publishers and the process that they live in: what ends by itself, what holds the process, and what a thread leaves.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { add, consume, GROUP, holding, noneIsPending, openConsumer, pending, startedRedis } from './consumers.mjs';
import { stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { freePort, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

/** Runs a program that has the package as `usb`; gives its code and signal once it has ended by itself. */
async function ended(program) {
  const child = spawn(process.execPath, ['-e', `const usb = require(${JSON.stringify(packageRoot)});${program}`], { stdio: 'inherit' });
  onTestFinished(() => child.kill('SIGKILL'));
  return once(child, 'exit');
}

/** The text that opens a consumer in another program. */
function opened({ port }, name = 'one') {
  return `new usb.USBEventConsumer({ host: '127.0.0.1', port: ${port} }, ${JSON.stringify(GROUP)}, ${JSON.stringify(name)}, { start_at: '0', claim_idle_ms: 1000 })`;
}

describe('a process', () => {
  it('ends by itself although a publisher is there that has nothing to do', async () => {
    const server = await startedRedis();
    const redis = `{ host: '127.0.0.1', port: ${server.port} }`;
    expect(await ended(`new usb.USBEventPublisher(${redis});`)).toEqual([0, null]);
    // Also where it is connected.
    expect(await ended(`globalThis.publisher = new usb.USBEventPublisher(${redis}); publisher.getRecentEvents().then(() => (process.exitCode = 3));`)).toEqual([3, null]);
  });

  it('is held by what a publisher has been asked, until that is answered', async () => {
    const port = await freePort();
    const program = `new usb.USBEventPublisher({ host: '127.0.0.1', port: ${port}, timeout_ms: 300 }).getRecentEvents().catch(({ code }) => (process.exitCode = code === 'ERR_USB_REDIS' ? 4 : 5));`;
    expect(await ended(program)).toEqual([4, null]);
  });

  it('is held by a consumer, and ends by itself once that is stopped: from outside, twice, or by its handler', async () => {
    const server = await startedRedis();
    await add(server, ['one']);
    const consumer = `const consumer = ${opened(server)}; const done = consumer.startConsuming`;
    expect(await ended(`${consumer}(() => setTimeout(() => consumer.stop().then(() => (process.exitCode = 5)), 50));`)).toEqual([5, null]);
    await server.client.flushall();
    await add(server, ['one']);
    const twice = 'Promise.all([consumer.stop(), consumer.stop()]).then(() => consumer.stop()).then(() => done).then(() => (process.exitCode = 6))';
    expect(await ended(`${consumer}(() => void setTimeout(() => ${twice}, 50));`)).toEqual([6, null]);
    await server.client.flushall();
    await add(server, ['one']);
    expect(await ended(`${consumer}(() => void consumer.stop()); done.then(() => (process.exitCode = 7));`)).toEqual([7, null]);
    // What its last handler has done is acknowledged.
    expect(await pending(server)).toEqual([]);
  });

  it('ends by itself where there is no thread for the stop, which says so', async () => {
    const server = await startedRedis();
    await add(server, ['one']);
    // The limit counts a user's threads, and does not hold for root.
    const program = `const consumer = ${opened(server)};
      const done = consumer.startConsuming(() => {
        require('node:child_process').execFileSync('prlimit', ['--pid', String(process.pid), '--nproc=0:0']);
        if (process.getuid() === 0) process.setuid(65534);
        setImmediate(() => consumer.stop().catch(({ code }) => done.then(() => (process.exitCode = code === 'ERR_USB_SYSTEM' ? 8 : 9))));
      });`;
    expect(await ended(program)).toEqual([8, null]);
  });

  it('ends by process.exit() while a stop waits for a handler that hangs', async () => {
    const server = await startedRedis();
    await add(server, ['one']);
    const program = `const consumer = ${opened(server)};
      consumer.startConsuming(() => {
        consumer.stop();
        setTimeout(() => process.exit(7), 300);
        return new Promise(() => {});
      });`;
    expect(await ended(program)).toEqual([7, null]);
  });
});

describe('a consumer', () => {
  it('may be stopped twice, and before it has started', async () => {
    const server = await startedRedis();
    await add(server, upTo(3));
    const consumer = openConsumer(server);
    const held = holding();
    const handled = consume(consumer, held.handler);
    await until(() => held.given.length === 1, 'the handler at work');
    const stops = [consumer.stop(), consumer.stop()];
    held.release();
    await Promise.all(stops);
    await consumer.stop();
    expect(handled).toEqual(['1']);
    expect(await pending(server)).toHaveLength(2);
    const idle = openConsumer(server);
    await idle.stop();
    await expect(idle.startConsuming(() => {})).rejects.toMatchObject({ code: 'ERR_USB_CONSUMER' });
  });

  it('that a handler stops is given nothing further, and what that handler did is acknowledged', async () => {
    const server = await startedRedis();
    await add(server, upTo(3));
    const [, ...others] = (await server.entries()).map(([id]) => id);
    // More than once: whether a stop comes too late is a matter of microseconds.
    for (const group of upTo(10).map(String)) {
      const consumer = openConsumer(server, { group });
      const given = [];
      await consumer.startConsuming(({ product }) => {
        given.push(product);
        consumer.stop();
      });
      expect(given).toEqual(['1']);
      expect((await pending(server, group)).map(([id]) => id)).toEqual(others);
    }
  });

  it('that one of many handlers stops calls none of the others any more, and leaves their events as they were', async () => {
    const server = await startedRedis();
    await add(server, upTo(400));
    const all = { concurrency: 1000, batch_size: 1000 };
    const consumer = openConsumer(server, all);
    const given = [];
    await consumer.startConsuming(({ product }) => {
      given.push(product);
      // JavaScript is busy, and the others' events are on their way meanwhile.
      if (given.length === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      if (given.length === 3) consumer.stop();
    });
    expect(given).toEqual(['1', '2', '3']);
    expect(await pending(server)).toHaveLength(397);
    // None of them has cost an attempt.
    const again = openConsumer(server, { ...all, max_attempts: 1 });
    const handled = consume(again);
    await noneIsPending(server);
    expect(handled).toEqual(upTo(400).slice(3).map(String));
    expect([...consumer.told.dead, ...again.told.dead, ...consumer.told.errors]).toEqual([]);
  });

  it('whose thread ends while a stop waits for its handler leaves what it has to another one', async () => {
    const server = await startedRedis();
    await add(server, ['one']);
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       const usb = require(${JSON.stringify(packageRoot)});
       const consumer = ${opened(server, 'in a worker')};
       consumer.startConsuming(() => {
         consumer.stop();
         parentPort.postMessage('stopping');
         return new Promise(() => {});
       });`,
      { eval: true },
    );
    await once(worker, 'message');
    expect((await pending(server)).map(([, name]) => name)).toEqual(['in a worker']);
    await worker.terminate();
    const handled = consume(openConsumer(server, { name: 'other', claim_idle_ms: 1000 }));
    await until(() => handled.length > 0, 'the other one to take over', { timeoutMs: 15_000 });
    expect(handled).toEqual(['one']);
    await noneIsPending(server);
  });

  it('that is killed after its handler was done and before that is acknowledged is given the same event again', async () => {
    const server = await startedRedis();
    await add(server, ['one'], { event_id: 'somebody:1' });
    const ledger = join(stateFolder(), 'ledger');
    const program = `${opened(server)}.startConsuming(({ eventId }) => {
        require('node:fs').appendFileSync(${JSON.stringify(ledger)}, eventId);
        process.kill(process.pid, 'SIGKILL');
      });`;
    expect(await ended(program)).toEqual([null, 'SIGKILL']);
    expect(readFileSync(ledger, 'utf8')).toBe('somebody:1');
    const again = [];
    consume(openConsumer(server, { name: 'one' }), ({ eventId }) => again.push(eventId));
    await until(() => again.length > 0, 'the second handling');
    expect(again).toEqual(['somebody:1']);
    await noneIsPending(server);
  });
});
