// What is exported by OTLP, as the official protobufs read it: traces and logs of one event from end to end, and what a collector
// that is away, slow or mad does to events: nothing.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { context, trace } from '@opentelemetry/api';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command, stateFolder } from './command.mjs';
import { add, consume, noneIsPending, openConsumer, startedRedis } from './consumers.mjs';
import { cycle, openDaemon } from './daemon.mjs';
import { median } from './median.mjs';
import { AT_ONCE, exporting, hostThatThrowsAt, hostWithMeter, hostWithSdk } from './otlp/exporting.mjs';
import { attributesOf, sharedCollector, startTlsCollector } from './otlp/collector.mjs';
import { fieldsOf, freePort } from './redis-server.mjs';
import { uncaught } from './uncaught.mjs';
import { until } from './until.mjs';

const KEYBOARD = { name: '200-1.2', vendorId: 0x046d, productId: 0xc31c, product: 'Keyboard', serialNumber: 'SECRET' };
const STEPS = ['observe', 'describe', 'announce', 'store', 'publish'];

const theCollector = sharedCollector();
const threads = () => readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim());
const ofServer = (server) => ({ host: '127.0.0.1', port: server.port });
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** A daemon that publishes to `server`, started. */
async function started(server, config = {}) {
  const daemon = openDaemon({ redis: server ? ofServer(server) : false, ...config });
  await daemon.start();
  return daemon;
}

describe('one event', () => {
  it('is one trace from the kernel to the handler of whoever consumes it', async () => {
    const [server, collector] = await Promise.all([startedRedis(), theCollector()]);
    const host = hostWithSdk();
    await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=lab', ...AT_ONCE });
    const daemon = await started(server);
    const within = [];
    const consumer = openConsumer(server);
    const handled = consume(consumer, async () => {
      await null;
      within.push(trace.getSpanContext(context.active()));
      trace.getTracer('mine').startSpan('open the keyboard').end();
    });
    daemon.simulateAttach(KEYBOARD);
    await until(() => handled.length === 1, 'the event in a handler');
    const spans = await collector.waitForSpans(6);
    expect(spans).toHaveLength(6);

    const [{ eventId }] = daemon.heard.of('device:attach');
    const [entry] = await server.entries();
    const { traceparent, event_id } = fieldsOf(entry);
    expect(event_id).toBe(eventId);
    expect(entry[1].at(-2), 'the last of the fields').toBe('traceparent');
    const [version, traceId, parentId, flags] = traceparent.split('-');
    expect([version, traceId, flags]).toEqual(['00', sha256(eventId).slice(0, 32), '01']);

    const root = spans.find(({ parentSpanId }) => parentSpanId === '');
    const steps = spans.filter((span) => span !== root);
    expect(root).toMatchObject({ name: 'usb attach', kind: 'SPAN_KIND_INTERNAL' });
    expect(steps.map(({ name }) => name)).toEqual(STEPS);
    expect(new Set(steps.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([root.spanId]));
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
    const publish = steps.at(-1);
    expect(publish).toMatchObject({ spanId: parentId, kind: 'SPAN_KIND_PRODUCER', attributes: { 'messaging.destination.name': 'aw:hotplug', 'messaging.message.id': entry[0] } });
    // One after the other, and together as long as the event's own.
    expect([steps[0].start, ...steps.slice(1).map(({ start }) => start), root.end]).toEqual([root.start, ...steps.map(({ end }) => end)]);
    expect(Math.abs(root.start - Number(fieldsOf(entry).timestamp))).toBeLessThan(5000);
    expect(root.events).toEqual([expect.objectContaining({ name: 'seen' })]);
    expect(root.attributes).toMatchObject({ 'usb.action': 'attach', 'usb.event_id': eventId, 'usb.vendor_id': '046d', 'usb.product_id': 'c31c', 'usb.port_path': '1.2', 'usb.product': 'Keyboard', 'usb.backend': 'simulated', 'usb.bus_number': 200 });
    expect(JSON.stringify(spans)).not.toContain('SECRET');
    expect(root.scope.name).toBe('autoweave-usb-daemon');
    expect(root.resource).toMatchObject({ 'service.name': 'autoweave-usb-daemon', 'deployment.environment.name': 'lab' });

    const [inner, outer] = host.getFinishedSpans();
    expect(within).toEqual([expect.objectContaining({ traceId, spanId: outer.spanContext().spanId })]);
    expect(outer).toMatchObject({ name: 'process aw:hotplug', parentSpanContext: { traceId, spanId: parentId, isRemote: true } });
    expect(outer.attributes).toMatchObject({ 'messaging.consumer.group.name': 'plugin-loader', 'messaging.message.id': entry[0], 'usb.event_id': eventId });
    expect([inner.name, inner.spanContext().traceId, inner.parentSpanContext.spanId]).toEqual(['open the keyboard', traceId, outer.spanContext().spanId]);
    expect(host.getFinishedSpans(), 'nothing is exported twice').toHaveLength(2);
  });

  it('that a handler fails with is a span that says so', async () => {
    const server = await startedRedis();
    const host = hostWithSdk();
    await exporting({});
    const daemon = await started(server);
    daemon.simulateAttach(KEYBOARD);
    const consumer = openConsumer(server, { max_attempts: 1 });
    consume(consumer, () => {
      throw new Error('no driver');
    });
    await until(() => consumer.told.dead.length === 1, 'the event among the dead');
    const failed = host.getFinishedSpans().find(({ name }) => name === 'process aw:hotplug');
    expect(failed).toMatchObject({ status: { code: 2, message: 'no driver' }, events: [{ name: 'exception', attributes: { 'exception.message': 'no driver' } }] });
  });

  it.each(['startSpan', 'with', 'end'])("is handled and told though the host's SDK throws at %s", async (where) => {
    const server = await startedRedis();
    const [calls, thrown] = [hostThatThrowsAt(where), uncaught()];
    await exporting({});
    const daemon = await started(server);
    daemon.simulateAttach(KEYBOARD);
    const consumer = openConsumer(server, { max_attempts: 2 });
    let attempts = 0;
    const handled = consume(consumer, () => {
      attempts += 1;
      // The first time goes wrong, so that there is something to record.
      if (attempts === 1) throw new Error('no driver');
    });
    await until(() => attempts === 2, 'the event in the handler again');
    await noneIsPending(server);
    await daemon.stop();
    expect([handled, consumer.told.dead, thrown]).toEqual([['Keyboard'], [], []]);
    expect(calls.length).toBeGreaterThan(0);
  });

  it('fails in its handler for the reason that the handler has, whatever the SDK of the host throws', async () => {
    const server = await startedRedis();
    hostThatThrowsAt('recordException');
    await exporting({});
    const daemon = await started(server);
    daemon.simulateAttach(KEYBOARD);
    const consumer = openConsumer(server, { max_attempts: 1 });
    consume(consumer, () => {
      throw new Error('no driver');
    });
    const [{ reason }] = await until(() => consumer.told.dead.length === 1 && consumer.told.dead, 'the event among the dead');
    expect(reason).toBe('no driver');
  });

  it('that the host has no time for is counted, and told', async () => {
    const host = hostWithSdk();
    await exporting({ OTEL_BSP_MAX_QUEUE_SIZE: '12', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '12' });
    const daemon = await started(null);
    const { lastSeq } = daemon.getHealth().outbox;
    const warned = once(process, 'warning');
    cycle(daemon, 100);
    // JavaScript takes nothing meanwhile.
    while (daemon.getHealth().outbox.lastSeq < lastSeq + 100);
    const [{ code, message }] = await warned;
    const lost = Number(/^traces of (\d+) events found no room/.exec(message)?.[1]);
    expect(code).toBe('USB_TELEMETRY');
    await daemon.stop();
    const exported = host.getFinishedSpans().filter(({ name }) => name.startsWith('usb ')).length;
    expect([exported > 0, lost > 0, exported + lost <= 100]).toEqual([true, true, true]);
  });

  it("is the host's to export where the addon exports nothing", async () => {
    const [server, collector] = await Promise.all([startedRedis(), theCollector()]);
    const host = hostWithSdk();
    await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...AT_ONCE }, { otlp: false });
    const daemon = await started(server);
    daemon.simulateAttach(KEYBOARD);
    await until(() => host.getFinishedSpans().length === 6, 'the spans');
    await daemon.stop();
    const [entry] = await server.entries();
    const [, traceId] = fieldsOf(entry).traceparent.split('-');
    const spans = host.getFinishedSpans();
    const root = spans.at(-1);
    expect(root).toMatchObject({ name: 'usb attach', attributes: { 'usb.product': 'Keyboard' } });
    expect(spans.map(({ name }) => name)).toEqual([...STEPS, 'usb attach']);
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([traceId]));
    expect(spans.slice(0, -1).every((span) => span.parentSpanContext.spanId === root.spanContext().spanId)).toBe(true);
    expect([threads().includes('aw-otlp'), collector.requests]).toEqual([false, []]);
  });

  it('that is not published ends where it is stored', async () => {
    const collector = await theCollector();
    await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...AT_ONCE });
    const daemon = await started(null);
    daemon.simulateAttach(KEYBOARD);
    const spans = await collector.waitForSpans(5);
    expect(spans.map(({ name }) => name)).toEqual(['usb attach', ...STEPS.slice(0, -1)]);
  });

  it('that waited for Redis over a restart has the trace that it had', async () => {
    const collector = await theCollector();
    await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...AT_ONCE });
    const outbox = { path: join(stateFolder(), 'outbox.db') };
    const port = await freePort();
    const first = await started({ port }, { outbox, shutdown_ms: 1 });
    first.simulateAttach(KEYBOARD);
    const [{ eventId }] = await first.heard.waitFor('device:attach');
    await first.stop();
    const server = await startedRedis({ port });
    const second = await started(server, { outbox });
    await second.heard.waitFor('event:published', { match: (published) => published.eventId === eventId });
    const { traceparent } = fieldsOf((await server.entries())[0]);
    const spans = await until(() => {
      const found = collector.spans.filter(({ traceId }) => traceId === traceparent.split('-')[1]);
      return found.length > 0 && found;
    }, 'its trace');
    expect([spans.map(({ name }) => name), spans[1].spanId]).toEqual([['usb attach', 'publish'], traceparent.split('-')[2]]);
  });

  it('is sampled by its trace, and those who consume it are told of that', async () => {
    const [server, collector] = await Promise.all([startedRedis(), theCollector()]);
    await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' });
    const daemon = await started(server);
    cycle(daemon, 100);
    const entries = await server.waitForEntries(100);
    await daemon.stop();
    const sampled = entries.map((entry) => fieldsOf(entry).traceparent.split('-')).filter(([, , , flags]) => flags === '01');
    expect(sampled.length).toBeGreaterThan(0);
    expect(sampled.length).toBeLessThan(100);
    const exported = collector.spans.filter(({ parentSpanId }) => parentSpanId === '').map(({ traceId }) => traceId);
    expect(exported).toEqual(sampled.map(([, traceId]) => traceId));
  });
});

describe('figures', () => {
  const IDLE = { OTEL_METRIC_EXPORT_INTERVAL: '3600000' };

  it('go out by OTLP, the last of them when the daemon stops', async () => {
    const [server, collector] = await Promise.all([startedRedis(), theCollector()]);
    await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...IDLE });
    const daemon = await started(server);
    cycle(daemon, 6);
    daemon.simulateAttach(KEYBOARD);
    await server.waitForEntries(7);
    await daemon.stop();
    const of = (name) => collector.metrics.find((metric) => metric.name === name);
    const events = Object.fromEntries(of('usb_events_total').sum.dataPoints.map((point) => [Object.values(attributesOf(point)).join(' '), Number(point.asInt)]));
    expect(events).toMatchObject({ 'attach simulated': 4, 'detach simulated': 3 });
    expect(of('usb_events_total').sum).toMatchObject({ isMonotonic: true, aggregationTemporality: 'AGGREGATION_TEMPORALITY_CUMULATIVE' });
    expect(of('usb_devices_connected').sum.dataPoints).toEqual([expect.objectContaining({ asInt: '1' })]);
    const [duration] = of('usb_event_processing_duration_ms').histogram.dataPoints;
    expect(duration).toMatchObject({ count: '7', sum: expect.any(Number) });
    expect(duration.bucketCounts).toHaveLength(duration.explicitBounds.length + 1);
    expect(of('process_resident_memory_bytes')).toMatchObject({ unit: 'By', gauge: { dataPoints: [expect.anything()] } });
    expect([of('usb_events_total').scope.name, of('usb_events_total').resource['service.name']]).toEqual(['autoweave-usb-daemon', 'autoweave-usb-daemon']);
  });

  it("are in the host's meter where the addon does not export them", async () => {
    const read = hostWithMeter();
    await exporting({});
    const [first, second] = [await started(null), await started(null)];
    for (const daemon of [first, second]) cycle(daemon, 4);
    await Promise.all([first, second].map((daemon) => daemon.heard.waitFor('device:detach', { count: 2 })));
    const found = await read();
    const value = (name, attributes) => found[name].find((point) => Object.entries(attributes).every(([key, wanted]) => point.attributes[key] === wanted))?.value;
    expect(value('usb_events_total', { action: 'attach', source: 'simulated' })).toBe(2);
    expect(value('usb_events_total', { action: 'attach', source: 'simulated', daemon: '2' })).toBe(2);
    expect(value('usb_devices_connected', {})).toBe(0);
    expect(value('usb_event_processing_duration_ms', {}).count).toBe(8);
    expect(found.process_resident_memory_bytes, 'the process has one').toEqual([expect.objectContaining({ attributes: {} })]);
    // Others that come after a further call are told from those that run.
    await exporting({ OTEL_SERVICE_NAME: 'renamed' });
    const third = await started(null);
    cycle(third, 2);
    await third.heard.waitFor('device:detach');
    const numbers = (await read()).usb_devices_connected.map(({ attributes }) => attributes.daemon);
    expect(numbers).toEqual([undefined, '2', '3']);
  });

  it("are not in the host's meter where the addon exports them", async () => {
    const read = hostWithMeter();
    const collector = await theCollector();
    await exporting({ OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...IDLE });
    const daemon = await started(null);
    cycle(daemon, 2);
    await daemon.heard.waitFor('device:detach');
    expect(await read()).toEqual({});
    await daemon.stop();
    expect(collector.metrics.length).toBeGreaterThan(0);
  });
});

it('lines of the log go out with the trace of the event that they are about', async () => {
  const [server, collector] = await Promise.all([startedRedis(), theCollector()]);
  await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, { level: 'debug' });
  const daemon = await started(server);
  const consumer = openConsumer(server);
  const handled = consume(consumer);
  daemon.simulateAttach(KEYBOARD);
  const [{ eventId }] = await daemon.heard.waitFor('device:attach');
  await until(() => handled.length === 1, 'the event in a handler');
  await Promise.all([daemon.stop(), consumer.stop()]);
  expect(threads()).not.toContain('aw-otlp');
  const lines = collector.lines.filter(({ attributes }) => attributes.event_id === eventId);
  expect(lines.map(({ body }) => body)).toEqual(expect.arrayContaining(['announced', 'stored', 'published', 'handed over', 'handled']));
  for (const line of lines) expect(line).toMatchObject({ severityText: 'DEBUG', traceId: sha256(eventId).slice(0, 32), flags: 1 });
  const [line] = lines;
  expect(collector.spans.map(({ spanId }) => spanId)).toContain(line.spanId);
  expect(line.resource['service.instance.id']).toBe(collector.spans[0].resource['service.instance.id']);
});

describe('the command line', () => {
  it('exports as the environment says, over TLS, with headers and gzip, and gives what waits when it ends', async () => {
    const folder = stateFolder();
    const [certificate, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', certificate, '-days', '1', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'], { stdio: 'ignore' });
    const collector = await startTlsCollector(certificate, key);
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_CERTIFICATE: certificate,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hush',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_SERVICE_NAME: 'lab-usb',
      OTEL_BSP_SCHEDULE_DELAY: '3600000',
      OTEL_BLRP_SCHEDULE_DELAY: '3600000',
      LOG_LEVEL: 'debug',
    };
    const run = command(['run', '--simulate', '--no-redis', '--json'], { env });
    const [attach] = await run.stdout.waitFor(/"attach"/);
    const { code } = await run.end();
    expect(code).toBe(0);
    expect(run.stdout.lines.join('\n')).toContain('OTEL_EXPORTER_OTLP_PROTOCOL is \\"grpc\\": only http/protobuf is spoken, and is used');
    const { eventId } = JSON.parse(attach).info;
    const root = collector.spans.find(({ attributes }) => attributes['usb.event_id'] === eventId);
    expect(root).toMatchObject({ name: 'usb attach', resource: { 'service.name': 'lab-usb' } });
    const line = collector.lines.find(({ attributes }) => attributes.event_id === eventId);
    expect(line).toMatchObject({ severityText: 'DEBUG', traceId: root.traceId, spanId: root.spanId });
    expect(line.scope.name).toBe('autoweave-usb-daemon');
    for (const { headers } of collector.requests) expect(headers).toMatchObject({ authorization: 'Bearer hush', 'content-encoding': 'gzip', 'content-type': 'application/x-protobuf' });
    expect([...run.stdout.lines, ...run.stderr.lines].join('\n')).not.toContain('hush');
  });
});

it('the command line says what is lost, whatever the level of its log', async () => {
  const run = command(['run', '--simulate', '--no-redis'], { env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` } });
  await run.stdout.waitFor(/attach/);
  await run.end();
  const [lost] = run.stderr.lines.filter((line) => line.includes('"signal":"traces"')).map((line) => JSON.parse(line));
  expect(lost).toMatchObject({ level: 'WARN', fields: { message: 'telemetry not exported', reason: expect.stringContaining('refused') } });
  expect(lost.fields.lost).toBeGreaterThan(0);
});

/** Servers that are no good as collectors, by what they do. */
const BAD = {
  'is away': async () => `http://127.0.0.1:${await freePort()}`,
  'never answers': () => listening(createServer(() => {})),
  'answers garbage': () => listening(createServer((socket) => void socket.on('error', () => {}).end('\u0000\u0001nonsense\r\n\r\n'))),
  'says to come back in a year': () => listening(createHttpServer((_, response) => void response.writeHead(429, { 'Retry-After': '31536000' }).end())),
  'answers without an end': () =>
    listening(
      createHttpServer((request, response) => {
        const talk = setInterval(() => response.write('x'.repeat(1024)), 1);
        request.resume();
        response.on('error', () => {}).on('close', () => clearInterval(talk));
      }),
    ),
};

/** Those that have taken what they were sent, whatever they say then. */
const TAKES = new Set(['answers without an end']);

async function listening(server) {
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** How long an event takes until Redis has it, in ms. */
async function latency(daemon, at) {
  const began = performance.now();
  const published = new Promise((resolve) => daemon.once('event:published', resolve));
  if (at % 2 === 0) daemon.simulateAttach(KEYBOARD);
  else daemon.simulateDetach(KEYBOARD.name);
  await published;
  return performance.now() - began;
}


const KINDS = Object.keys(BAD);

describe('a collector that', () => {
  it.each(KINDS)('%s delays neither events nor the stop', async (what) => {
    const server = await startedRedis();
    const plain = await started(server);
    const url = await BAD[what]();
    await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_MAX_QUEUE_SIZE: '30', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '12', ...AT_ONCE });
    const watched = openDaemon({ redis: ofServer(server) });
    const warned = [];
    watched.on('log', ({ message, fields }) => message === 'telemetry not exported' && fields.signal === 'traces' && warned.push(fields));
    await watched.start();
    const took = { plain: [], watched: [] };
    for (let at = 0; at < 200; at += 1) {
      took.plain.push(await latency(plain, at));
      took.watched.push(await latency(watched, at));
    }
    expect(threads()).toContain('aw-otlp');
    expect(median(took.watched) / median(took.plain), JSON.stringify([median(took.plain), median(took.watched)])).toBeLessThan(1.5);
    const began = performance.now();
    await watched.stop();
    // A request is given 10 s.
    expect(performance.now() - began).toBeLessThan(4000);
    expect(threads()).not.toContain('aw-otlp');
    // Once at the first failure, and once at the end.
    expect(warned.length).toBeLessThanOrEqual(2);
    const lost = warned.map((fields) => fields.lost).reduce((sum, count) => sum + count, 0);
    if (TAKES.has(what)) expect(lost).toBeLessThan(200);
    else expect(lost).toBe(200);
  });
});

it.each([
  [3, 'full'],
  [0, 'slow down'],
])('a collector that refuses %d spans and says "%s" is heard, and nothing is lost by it', async (count, reason) => {
  // A message of the protocol: its partial success, with the number and the text.
  const part = Buffer.from([8, count, 18, reason.length, ...Buffer.from(reason)]);
  const url = await listening(createHttpServer((request, response) => request.resume().on('end', () => response.end(Buffer.from([10, part.length, ...part])))));
  await exporting({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url, ...AT_ONCE });
  const daemon = openDaemon({ redis: false });
  const said = [];
  daemon.on('log', ({ target, message, fields }) => target.includes('telemetry') && said.push([message, fields.refused, fields.reason]));
  await daemon.start();
  daemon.simulateAttach(KEYBOARD);
  await until(() => said.length > 0, 'what the exporter says');
  await daemon.stop();
  expect(said).toEqual([['the collector is not content', count, reason]]);
});

it("a consumer's log says what is not exported, where there is no daemon", async () => {
  const server = await startedRedis();
  await exporting({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: await BAD['is away'](), ...AT_ONCE }, { level: 'debug' });
  const consumer = openConsumer(server);
  const said = [];
  consumer.on('log', ({ message }) => said.push(message));
  consume(consumer);
  await add(server, ['Keyboard']);
  await until(() => said.includes('telemetry not exported'), 'what the exporter says');
  await consumer.stop();
});

describe('where nothing is exported', () => {
  it('there is no thread for it, and entries have no trace', async () => {
    const server = await startedRedis();
    expect(await exporting({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_SERVICE_NAME: 'x' })).toEqual([]);
    const daemon = await started(server);
    daemon.simulateAttach(KEYBOARD);
    const [entry] = await server.waitForEntries(1);
    expect(fieldsOf(entry)).not.toHaveProperty('traceparent');
    expect(threads()).not.toContain('aw-otlp');
  });

  it.each([
    [{ OTEL_SDK_DISABLED: 'true' }, []],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }, []],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' }, [expect.stringMatching(/^OTEL_EXPORTER_OTLP_ENDPOINT is no http/)]],
  ])('%j makes it so', async (variables, warnings) => {
    const collector = await listening(createHttpServer(() => expect.fail('a request')));
    const warned = await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector, ...variables, ...AT_ONCE });
    expect([...new Set(warned)]).toEqual(warnings);
    const daemon = await started(null);
    daemon.simulateAttach(KEYBOARD);
    await daemon.heard.waitFor('device:attach');
    expect(threads()).not.toContain('aw-otlp');
  });
});

it('daemons that run at once share one thread, which ends with the last of them', async () => {
  const collector = await theCollector();
  await exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '3600000' });
  const [first, second] = [await started(null), await started(null)];
  const count = () => threads().filter((name) => name === 'aw-otlp').length;
  expect(count()).toBe(1);
  for (const daemon of [first, second]) {
    daemon.simulateAttach(KEYBOARD);
    await daemon.heard.waitFor('device:attach');
  }
  await first.stop();
  expect([count(), collector.spans]).toEqual([1, []]);
  const told = () => collector.metrics.filter(({ name }) => name === 'usb_events_total');
  await until(() => told().length > 0, 'the last figures of the one that has left');
  const attributes = told()[0].sum.dataPoints.map(attributesOf);
  expect(attributes.filter(({ daemon }) => daemon === undefined).length).toBeGreaterThan(0);
  expect(collector.metrics.filter(({ name }) => name === 'process_open_fds').map((metric) => metric.gauge.dataPoints.length)).toEqual([1]);
  await second.stop();
  const left = count();
  const traced = () => collector.spans.filter(({ name }) => name === 'usb attach').length;
  // The collector has them by now, and says so a moment later.
  await until(() => traced() >= 2, 'the spans of both');
  expect([left, traced()]).toEqual([0, 2]);
});
