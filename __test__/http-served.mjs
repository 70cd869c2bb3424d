// A daemon that is asked over HTTP.

import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { openDaemon } from './daemon.mjs';
import { freePort } from './redis-server.mjs';
import { until } from './until.mjs';

export function monitoringAt(port, more = {}) {
  return { monitoring: { enabled: true, host: '127.0.0.1', healthcheck_port: port, ...more } };
}

/** A started daemon with its server, and how to ask that. `monitoring` and `port` go over what it has without. */
export async function served({ monitoring = {}, port, ...config } = {}) {
  port ??= await freePort();
  const daemon = openDaemon({ ...monitoringAt(port, monitoring), ...config });
  await daemon.start();
  // It listens on a thread of its own, and may do so a moment later.
  await until(() => answers(port), 'the server');
  return { daemon, port, get: (path, options) => fetch(`http://127.0.0.1:${port}${path}`, options) };
}

export function answers(port) {
  return fetch(`http://127.0.0.1:${port}/live`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** As `fetch`, but with any header: `{ status, headers, text }`. */
export async function ask(port, path, { method = 'GET', headers = {}, body, version } = {}) {
  const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false, version });
  sent.end(body);
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return { status: response.statusCode, headers: response.headers, text };
}

/** Sends these bytes as they are, and gives all that is answered until the server closes. */
export async function raw(port, bytes) {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (part) => (text += part));
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

/** Follows server-sent events until the test ends or `close` is called. */
export async function follow(port, path, headers = {}) {
  const sent = request({ host: '127.0.0.1', port, path, headers: { accept: 'text/event-stream', ...headers }, agent: false });
  sent.on('error', () => {});
  sent.end();
  const [response] = await once(sent, 'response');
  onTestFinished(() => sent.destroy());
  return new Stream(sent, response);
}

class Stream {
  /** Everything so far as { event, id, data }. */
  all = [];
  #sent;
  #response;
  #changed = () => {};

  constructor(sent, response) {
    this.#sent = sent;
    this.#response = response;
    this.status = response.statusCode;
    this.headers = response.headers;
    let rest = '';
    response.setEncoding('utf8').on('data', (text) => {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
        if (fields.data !== undefined) this.all.push({ event: fields.event, id: fields.id, data: JSON.parse(fields.data) });
      }
      this.#changed();
    });
    // It may be cut: then there is no regular end.
    response.on('error', () => {});
    this.closed = new Promise((resolve) => response.once('close', resolve));
  }

  of(...events) {
    return this.all.filter(({ event }) => events.includes(event));
  }

  /** Attach and detach so far. */
  get transitions() {
    return this.of('attach', 'detach', 'device.attach', 'device.detach');
  }

  get seqs() {
    return this.transitions.map(({ id }) => Number(id.split(':')[1]));
  }

  pause() {
    this.#response.pause();
  }

  resume() {
    this.#response.resume();
  }

  close() {
    this.#sent.destroy();
  }

  /** Waits until this holds of all that has come. */
  waitUntil(holds, subject, { timeoutMs = 20_000 } = {}) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited in vain for ${subject}; last: ${JSON.stringify(this.all.slice(-3))}`)), timeoutMs);
      this.#changed = () => {
        if (!holds(this)) return;
        clearTimeout(timer);
        this.#changed = () => {};
        resolve(this);
      };
      this.#changed();
    });
  }
}
