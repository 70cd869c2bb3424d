// A collector of telemetry for one test: collector.py, which reads what it is sent with the official protobufs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, onTestFinished } from 'vitest';
import { until } from '../until.mjs';

const program = fileURLToPath(new URL('collector.py', import.meta.url));
const protobufs = fileURLToPath(new URL('../../.cache/python/otlp', import.meta.url));

/** One for all tests of a file: what it has been sent is forgotten before each test. */
export function sharedCollector() {
  const started = start([]);
  beforeEach(async () => {
    (await started).collector.requests.length = 0;
  });
  afterAll(async () => (await started).end());
  return async () => (await started).collector;
}

/** A collector over TLS, with the names of a certificate's and a key's file; it is ended with the test. */
export async function startTlsCollector(certificate, key) {
  const { collector, end } = await start([certificate, key]);
  onTestFinished(end);
  return collector;
}

async function start(tls) {
  const env = { ...process.env, PYTHONPATH: protobufs };
  const child = spawn('python3', [program, ...tls], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const end = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) throw new Error('the collector has ended; run sh scripts/setup/python.sh');
  const { port } = JSON.parse(first.value);
  const collector = new Collector(`${tls.length > 0 ? 'https' : 'http'}://127.0.0.1:${port}`);
  void (async () => {
    for await (const line of lines) collector.requests.push(JSON.parse(line));
  })();
  return { collector, end };
}

class Collector {
  /** As { path, headers, message }, in order. */
  requests = [];

  constructor(url) {
    this.url = url;
  }

  #of(path, outer, scoped, inner) {
    return this.requests
      .filter((request) => request.path === path)
      .flatMap(({ message }) => message[outer])
      .flatMap(({ resource, [scoped]: scopes }) => scopes.flatMap((scope) => scope[inner].map((item) => ({ ...item, scope: scope.scope, resource: attributesOf(resource) }))));
  }

  /** All spans so far: IDs in hex, times in ms, attributes as one object. */
  get spans() {
    return this.#of('/v1/traces', 'resourceSpans', 'scopeSpans', 'spans').map((span) => ({
      ...span,
      traceId: hex(span.traceId),
      spanId: hex(span.spanId),
      parentSpanId: hex(span.parentSpanId ?? ''),
      start: Number(span.startTimeUnixNano) / 1e6,
      end: Number(span.endTimeUnixNano) / 1e6,
      attributes: attributesOf(span),
    }));
  }

  /** All lines so far. */
  get lines() {
    return this.#of('/v1/logs', 'resourceLogs', 'scopeLogs', 'logRecords').map((line) => ({
      ...line,
      body: line.body.stringValue,
      traceId: hex(line.traceId ?? ''),
      spanId: hex(line.spanId ?? ''),
      attributes: attributesOf(line),
    }));
  }

  /** All figures so far. */
  get metrics() {
    return this.#of('/v1/metrics', 'resourceMetrics', 'scopeMetrics', 'metrics');
  }

  waitForSpans(count) {
    return until(() => this.spans.length >= count && this.spans, `${count} spans`);
  }
}

/** `traceId` and `spanId` are bytes, which JSON has in base64. */
function hex(base64) {
  return Buffer.from(base64, 'base64').toString('hex');
}

/** `{ key: value }` of a list of attributes; whole numbers are texts in JSON. */
export function attributesOf({ attributes = [] } = {}) {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.intValue === undefined ? Object.values(value)[0] : Number(value.intValue)]));
}
