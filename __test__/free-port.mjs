// Ports on which nobody listens, and on which nobody will but the test that asked: test files run beside each other, and each
// may close a server and start it again on its port.

import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that Linux gives to outgoing connections, which are from 32768 on. */
const BLOCKS = { first: 10_000, size: 50, count: 450 };

let next = 0;
let block;

/** Of this process's own block of ports. It has a block as long as it listens on the first one of that. */
export async function freePort() {
  block ??= claimed();
  const first = await block;
  for (let tries = 1; tries < BLOCKS.size; tries += 1) {
    next = (next % (BLOCKS.size - 1)) + 1;
    const port = first + next;
    const server = await listening(port);
    if (!server) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error(`no port is free from ${first} on`);
}

async function claimed() {
  for (let tries = 0; tries < BLOCKS.count; tries += 1) {
    const first = BLOCKS.first + ((process.pid + tries) % BLOCKS.count) * BLOCKS.size;
    const server = await listening(first);
    if (!server) continue;
    server.unref();
    return first;
  }
  throw new Error('each block of ports is taken');
}

/** A server on that port, or null where somebody has it. */
async function listening(port) {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return null;
  }
}
