// An HTTP server in a bed, as one on this machine: for a browser, which cannot run in there. Only GET.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const inside = fileURLToPath(new URL('./inside.cjs', import.meta.url));
/** What belongs to one connection, or names this end. */
const OWN = ['connection', 'host', 'keep-alive', 'transfer-encoding'];

function carried(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN.includes(name)));
}

/** Gives the address at which the server at `port` in the bed is found, and how to end that. */
export async function openBridge(bed, port) {
  const child = bed.spawn([process.execPath, inside, String(port)]);
  await child.waitForLine((line) => JSON.parse(line).ready, { timeoutMs: 30_000 });
  const waiting = new Map();
  let last = 0;
  const read = async () => {
    for await (const text of child.stdout) {
      const { id, ...line } = JSON.parse(text);
      const response = waiting.get(id);
      if (line.status) response?.writeHead(line.status, carried(line.headers));
      if (line.part) response?.write(Buffer.from(line.part, 'base64'));
      if (line.error && !response?.headersSent) response?.writeHead(502);
      if (line.end || line.error) {
        response?.end();
        waiting.delete(id);
      }
    }
  };
  // Where the bed has gone, so has whoever reads.
  const reading = read().catch(() => {});
  const server = createServer((request, response) => {
    const id = (last += 1);
    waiting.set(id, response);
    response.on('close', () => {
      if (waiting.delete(id)) child.write(JSON.stringify({ id, given_up: true }));
    });
    child.write(JSON.stringify({ id, method: request.method, path: request.url, headers: carried(request.headers) }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      child.endInput();
      await child.exit;
      await reading;
    },
  };
}
