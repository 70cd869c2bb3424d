// Prometheus: what /metrics says, what a real server makes of it, and the files in deploy.

import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cycle, openDaemon, packageRoot } from './daemon.mjs';
import { accountsOf, isBalanced, metricsOf, seriesOf } from './exposition.mjs';
import { promtool, startPrometheus } from './prometheus-server.mjs';
import { freePort, startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0';
const deploy = (name) => join(packageRoot, 'deploy', name);
const namesFile = join(packageRoot, 'crates/core/src/metrics/names.rs');
/** Each metric's name, and how it moves, as the one file has them. */
const NAMES = new Map([...readFileSync(namesFile, 'utf8').matchAll(/^ {4}[A-Z_]+ = (\w+) \w+ "(\w+)",$/gm)].map(([, kind, name]) => [name, kind]));

/** What may stand in a device's way, as the declarations have it. */
const REASONS = [...readFileSync(join(packageRoot, 'types/ready.d.ts'), 'utf8').match(/reason:([^;]*);/)[1].matchAll(/'([a-z-]+)'/g)].map(([, word]) => word);

/** What a rule for drivers may come to, as the declarations have it. */
const DRIVER_STATES = [...readFileSync(join(packageRoot, 'types/events.d.ts'), 'utf8').match(/  state: ('bound'[^;]*);/)[1].matchAll(/'([a-z]+)'/g)].map(([, word]) => word);

/** A started daemon with its server; `scrape` gives what /metrics says. */
async function served(config = {}) {
  const port = await freePort();
  const daemon = openDaemon({ ...config, monitoring: { enabled: true, healthcheck_port: port } });
  await daemon.start();
  const get = (accept = 'text/plain') => fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept } });
  await until(() => get().then(({ ok }) => ok, () => false), '/metrics');
  return { daemon, port, get, scrape: async (accept) => (await get(accept)).text() };
}

/** Stands before a daemon and asks it for the text format, whatever its own client would rather have. */
async function textOnly(port) {
  const proxy = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, accept: 'text/plain;version=0.0.4' };
    const forwarded = request({ port, path: incoming.url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    forwarded.end();
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return proxy.address().port;
}

/** Expressions of the dashboard: of its panels and its annotations. */
function dashboardExpressions() {
  const { panels, annotations } = JSON.parse(readFileSync(deploy('grafana/usb-daemon.json'), 'utf8'));
  const drawn = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ of: title, expr })));
  const marked = annotations.list.filter(({ expr }) => expr).map(({ name, expr }) => ({ of: name, expr: withoutComparison(expr) }));
  return [...drawn, ...marked];
}

/** Expressions of the alerts, without what makes them fire. */
function alertExpressions() {
  const rules = readFileSync(deploy('prometheus/rules.yml'), 'utf8');
  const found = [...rules.matchAll(/- alert: (\w+)\n(?: +#.*\n)* +expr: (?:>-\n +)?(.+)\n/g)];
  expect(found.length).toBe(rules.match(/- alert:/g).length);
  return found.map(([, of, expr]) => ({ of, expr: withoutComparison(expr) }));
}

function withoutComparison(expr) {
  return expr.replace(/ (==|>) [\d.]+/g, '');
}

it('a real Prometheus scrapes both formats, and every panel and every alert has data there', { timeout: 60_000 }, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  await redis.client.xgroup('CREATE', 'aw:hotplug', 'plugin-loader', '0', 'MKSTREAM');
  const { daemon, port } = await served({ redis: { host: '127.0.0.1', port: redis.port }, performance: { max_events_per_second: 100 } });
  const textPort = await textOnly(port);
  const instances = [port, textPort].map((number) => `127.0.0.1:${number}`);
  const prometheus = await startPrometheus(instances);
  const traffic = setInterval(() => cycle(daemon, 2), 20);
  onTestFinished(() => clearInterval(traffic));

  const expressions = [...dashboardExpressions(), ...alertExpressions()];
  expect(expressions.length).toBeGreaterThan(50);
  let missing = instances.flatMap((instance) => expressions.map(({ of, expr }) => ({ of, expr: expr.replaceAll('$job', 'usb-daemon').replaceAll('$instance', instance).replaceAll('$__rate_interval', '3s') })));
  // No kernel says here that a device is ready: how long that takes is a quantile of nothing. kernel-ready.test.mjs has some.
  const isKernels = (expr) => expr.includes('usb_ready_duration_seconds');
  const hasData = async ({ expr }) => (await prometheus.query(expr)).some(({ value }) => Number.isFinite(value) || isKernels(expr));
  // It begins to scrape 5 seconds after its start.
  await until(async () => (await prometheus.query('up == 1')).length === instances.length, 'the first scrapes');
  await until(async () => {
    const found = await Promise.all(missing.map(hasData));
    missing = missing.filter((_, at) => !found[at]);
    return missing.length === 0;
  }, 'data for every expression').catch((error) => {
    throw new Error(`${error.message}; without: ${JSON.stringify(missing, null, 2)}`);
  });
  expect(await prometheus.targets()).toEqual(Object.fromEntries(instances.map((instance) => [instance, { health: 'up', lastError: '' }])));
  // Both formats have the same names, those of histograms' bounds apart.
  const names = async (instance) => new Set((await prometheus.query(`{job="usb-daemon", instance="${instance}"}`)).map(({ metric }) => metric.__name__));
  expect(await names(instances[0])).toEqual(await names(instances[1]));
  const [{ value: lag }] = await prometheus.query(`usb_consumer_group_lag{group="plugin-loader", instance="${instances[0]}"}`);
  expect(lag).toBeGreaterThanOrEqual(0);
});

it('each format is told by its name, and text is for whoever asks for nothing else', async () => {
  const { get } = await served();
  const types = await Promise.all(['*/*', 'text/plain', OPENMETRICS].map(async (accept) => (await get(accept)).headers.get('content-type')));
  const text = 'text/plain; version=0.0.4; charset=utf-8';
  expect(types).toEqual([text, text, 'application/openmetrics-text; version=1.0.0; charset=utf-8']);
  expect(await (await get(OPENMETRICS)).text()).toMatch(/\n# EOF\n$/);
});

it('its metrics are those of the one file of names, and no other file names one', async () => {
  const { scrape } = await served();
  expect(NAMES.size).toBeGreaterThan(40);
  expect(metricsOf(await scrape())).toEqual([...NAMES.keys()]);
  const sources = readdirSync(join(packageRoot, 'crates/core/src'), { recursive: true }).filter((name) => name.endsWith('.rs') && !name.endsWith('metrics/names.rs') && !name.endsWith('metrics/exposition.rs'));
  const others = sources.flatMap((name) => [...readFileSync(join(packageRoot, 'crates/core/src', name), 'utf8').matchAll(/"((?:usb|process)_[a-z_]+)"/g)].filter(([, literal]) => NAMES.has(literal)).map(([literal]) => `${name}: ${literal}`));
  expect(others).toEqual([]);
  for (const { of, expr } of [...dashboardExpressions(), ...alertExpressions()]) {
    const used = expr.replace(/"[^"]*"/g, '').match(/\b(?:usb|process)_\w+/g) ?? [];
    const unknown = used.filter((name) => !NAMES.has(name.replace(/_(bucket|sum|count)$/, '')));
    expect({ of, unknown }).toEqual({ of, unknown: [] });
  }
});

it('JavaScript can have the same figures', async () => {
  const require = createRequire(import.meta.url);
  const { NativeDaemon } = require('../js/native.js');
  const { Log } = require('../js/log.js');
  const { native: log } = new Log(new EventEmitter());
  const native = new NativeDaemon(JSON.stringify({ sources: ['simulated'], redis: false, monitoring: { enabled: false } }), () => {}, log);
  native.start();
  onTestFinished(() => native.stop());
  const { families, startedAtMs, takenAtMs } = JSON.parse(native.metrics());
  expect(families.map(({ name, kind }) => [name, kind.toLowerCase()])).toEqual([...NAMES].map(([name, kind]) => [name, kind.toLowerCase()]));
  expect(takenAtMs).toBeGreaterThanOrEqual(startedAtMs);
  const processing = families.find(({ name }) => name === 'usb_event_processing_duration_ms');
  expect(processing).toMatchObject({ unit: 'ms', series: [{ value: { bounds: expect.arrayContaining([0.05, 60_000]), sum: 0 } }] });
  expect(processing.series[0].value.counts).toEqual([...processing.series[0].value.bounds, Infinity].map(() => 0));
});

it('every series is there from the start at 0, and nothing that a device says makes another one', async () => {
  const { daemon, scrape } = await served();
  const before = seriesOf(await scrape());
  const counting = [...before].filter(([name]) => /_(total|count|sum|bucket)(\{|$)/.test(name) && !name.startsWith('process_') && !/^usb_source_reports_total\{source="inotify"\}/.test(name));
  expect(counting.filter(([, value]) => value !== 0)).toEqual([]);
  const established = ['netlink', 'libusb', 'snapshot', 'simulated', 'injected', 'udev-helper'];
  for (const action of ['attach', 'detach']) {
    for (const source of established) expect(before.has(`usb_events_total{action="${action}",source="${source}"}`)).toBe(true);
  }
  for (const reason of REASONS) expect([before.get(`usb_devices_not_ready{reason="${reason}"}`), before.get(`usb_ready_reports_total{outcome="${reason}"}`)]).toEqual([0, 0]);
  for (const outcome of ['done', 'failed', 'refused']) expect(before.get(`usb_driver_attempts_total{outcome="${outcome}"}`)).toBe(0);
  for (const state of DRIVER_STATES) expect(before.get(`usb_driver_reports_total{state="${state}"}`)).toBe(0);
  const hostile = '"}\n# TYPE evil counter\nevil_total{x="\\" 1 <img src=x onerror=alert(1)>';
  daemon.simulateAttach({ name: '201-1', vendorId: 1, productId: 2, manufacturer: hostile, product: hostile, serialNumber: hostile });
  await daemon.handleDeviceAttach({ busNumber: 9, deviceAddress: 9, portNumbers: [1], deviceDescriptor: { idVendor: 3, idProduct: 4 } });
  daemon.simulateDetach('201-1');
  await daemon.heard.waitFor('device:detach');
  // The outbox counts it a moment later.
  const after = await until(async () => {
    const series = seriesOf(await scrape());
    return series.get('usb_outbox_seen_total') === 3 && series;
  }, 'the outbox to have seen it');
  expect([...after.keys()]).toEqual([...before.keys()]);
  expect([after.get('usb_events_total{action="attach",source="simulated"}'), after.get('usb_events_total{action="attach",source="injected"}'), after.get('usb_devices_connected')]).toEqual([1, 1, 1]);
  expect([after.get('usb_event_processing_duration_ms_count'), after.get('usb_event_processing_duration_seconds_count')]).toEqual([3, 3]);
  expect(after.get('usb_event_processing_duration_ms_sum') / after.get('usb_event_processing_duration_seconds_sum')).toBeCloseTo(1000, 3);
});

it('what brought no event is counted by its reason, and the accounts add up', async () => {
  const { daemon, scrape } = await served({ filters: { vendor_blacklist: [0x0bad] } });
  daemon.simulateAttach({ name: '201-1', vendorId: 0x0bad });
  daemon.simulateAttach({ name: '201-2', vendorId: 1 });
  daemon.simulateAttach({ name: '201-2', vendorId: 1 });
  await daemon.handleDeviceDetach({ busNumber: 9, deviceAddress: 9, deviceDescriptor: { idVendor: 3, idProduct: 4 } });
  const text = await until(async () => {
    const found = await scrape();
    // Who was the first is counted once they are stored, a moment later.
    return accountsOf(found).seen === 2 && seriesOf(found).get('usb_source_first_reports_total{source="simulated"}') === 1 && found;
  }, 'the outbox to have seen both');
  const series = seriesOf(text);
  const withheld = (reason) => series.get(`usb_events_withheld_total{reason="${reason}"}`);
  expect([withheld('filtered'), withheld('duplicate'), withheld('unknown')]).toEqual([1, 1, 1]);
  expect(accountsOf(text)).toEqual({ carriedOver: 0, seen: 2, published: 1, filtered: 1, waiting: 0, dropped: 0 });
  expect(isBalanced(accountsOf(text))).toBe(true);
  const reports = (source) => series.get(`usb_source_reports_total{source="${source}"}`);
  expect([reports('simulated'), reports('injected')]).toEqual([3, 1]);
});

it('reconnects, errors and pacing are counted', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const { daemon, scrape } = await served({ redis: { host: '127.0.0.1', port: redis.port }, performance: { max_events_per_second: 10 } });
  const connected = () => daemon.heard.of('redis:state').at(-1)?.connected ?? null;
  await until(() => connected() === true, 'Redis');
  cycle(daemon, 12);
  await until(async () => accountsOf(await scrape()).published === 12, 'all events in Redis');
  await redis.kill();
  cycle(daemon, 2);
  await until(() => connected() === false, 'Redis to be missed');
  expect(seriesOf(await scrape()).get('usb_redis_connected')).toBe(0);
  await redis.start();
  await until(() => connected() === true, 'Redis again');
  const series = seriesOf(await scrape());
  expect([series.get('usb_redis_enabled'), series.get('usb_redis_connected'), series.get('usb_redis_reconnects_total')]).toEqual([1, 1, 1]);
  expect(series.get('usb_redis_errors_total')).toBeGreaterThan(0);
  expect(series.get('usb_publish_paced_total')).toBeGreaterThan(0);
  expect(series.get('usb_event_publish_duration_seconds_count')).toBeGreaterThanOrEqual(12);
});

it('at most 20 groups have series of their own, the rest is one, and a name cannot break out', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const hostile = '"b\\c\nd';
  await redis.client.xgroup('CREATE', 'aw:hotplug', hostile, '0', 'MKSTREAM');
  for (let at = 0; at < 25; at += 1) await redis.client.xgroup('CREATE', 'aw:hotplug', `group-${String(at).padStart(2, '0')}`, '0');
  await redis.client.xadd('aw:hotplug', '*', 'nothing', 'of ours');
  const { scrape } = await served({ redis: { host: '127.0.0.1', port: redis.port } });
  const lags = await until(async () => {
    const found = [...seriesOf(await scrape())].filter(([name]) => name.startsWith('usb_consumer_group_lag'));
    return found.length > 1 && found;
  }, 'groups');
  expect(lags.length).toBe(21);
  expect(lags[0]).toEqual(['usb_consumer_group_lag{group="\\"b\\\\c\\nd"}', 1]);
  expect(lags.at(-1)).toEqual(['usb_consumer_group_lag{group="other"}', 6]);
});

it('an event loop that is blocked is told as such', async () => {
  const { port, scrape } = await served();
  // On a busy machine this process need not have had its turn when it is asked for the first time.
  await until(async () => seriesOf(await scrape()).get('usb_event_loop_blocked') === 0, 'an event loop that is free');
  // This call blocks the loop on which the daemon's JavaScript runs.
  const ask = `fetch('http://127.0.0.1:${port}/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text))`;
  const series = seriesOf(execFileSync(process.execPath, ['-e', ask], { encoding: 'utf8' }));
  expect(series.get('usb_event_loop_blocked')).toBe(1);
  expect(series.get('usb_event_loop_delay_seconds')).toBeGreaterThan(0.01);
});

describe('promtool', () => {
  it('finds nothing in the metrics but the unit that the specification wants', async () => {
    const { scrape } = await served();
    const { said } = await promtool(['check', 'metrics'], { input: await scrape() });
    expect(said.trim().split('\n')).toEqual([expect.stringMatching(/^usb_event_processing_duration_ms .*\bunits?\b/)]);
  });

  it.each([
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'rules.yml'],
    ['test', 'rules', 'rules.test.yml'],
  ])('%s %s %s', async (...args) => {
    const { code, said } = await promtool(args, { cwd: deploy('prometheus') });
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('SUCCESS') });
  });

  it('tests each alert, both that it fires and that it does not', () => {
    const alerts = alertExpressions().map(({ of }) => of);
    const tests = readFileSync(deploy('prometheus/rules.test.yml'), 'utf8');
    const expected = [...tests.matchAll(/alertname: (\w+)\n +exp_alerts:(.*)\n/g)].map(([, alert, none]) => `${alert}${none.trim() === '[]' ? ' not' : ''}`);
    for (const alert of alerts) expect(expected).toEqual(expect.arrayContaining([alert, `${alert} not`]));
  });
});
