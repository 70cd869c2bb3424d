// The log: lines of one daemon for whoever listens to it, and for nobody else. The command line's go to stderr.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { command } from './command.mjs';
import { consume, openConsumer, startedRedis } from './consumers.mjs';
import { USBDaemon, cycle, openDaemon } from './daemon.mjs';
import { freePort } from './redis-server.mjs';
import { uncaught } from './uncaught.mjs';
import { until } from './until.mjs';

const SIMULATED = { sources: ['simulated'], redis: false, monitoring: { enabled: false } };
const DEVICE = { name: '201-1', vendorId: 0x046d, productId: 0xc31c, product: 'Keyboard', serialNumber: 'SERIAL-7' };
const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];

afterEach(() => void USBDaemon.initializeTracing({ level: 'info' }));

/** Lines of an emitter from now on. */
function listen(emitter) {
  const lines = [];
  const listener = (line) => lines.push(line);
  emitter.on('log', listener);
  return Object.assign(lines, { end: () => emitter.off('log', listener) });
}

/** What has happened to each event, in order: { eventId: [message, …] }. */
function stepsOf(lines) {
  const steps = {};
  for (const { eventId, message } of lines) if (eventId) (steps[eventId] ??= []).push(message);
  return steps;
}

function plugAndPull(daemon) {
  daemon.simulateAttach(DEVICE);
  daemon.simulateDetach(DEVICE.name);
}

/** A program in a process of its own; what it has written and told. */
async function host(settings, env = {}) {
  const { LOG_LEVEL, RUST_LOG, ...clean } = process.env;
  const program = fileURLToPath(new URL('logs/host.cjs', import.meta.url));
  const child = fork(program, [JSON.stringify(settings)], { env: { ...clean, ...env }, execArgv: [], silent: true });
  onTestFinished(() => child.kill('SIGKILL'));
  const written = [];
  for (const output of [child.stdout, child.stderr]) output.setEncoding('utf8').on('data', (text) => written.push(text));
  const told = once(child, 'message');
  const [code, signal] = await once(child, 'close');
  return { code, signal, written: written.join(''), ...(code === 0 ? (await told)[0] : {}) };
}

describe('the log of a daemon', () => {
  it('has a line for each step that an event takes, joined by its eventId', async () => {
    const server = await startedRedis();
    USBDaemon.initializeTracing({ level: 'debug' });
    const daemon = openDaemon({ redis: { host: '127.0.0.1', port: server.port } });
    const lines = listen(daemon);
    await daemon.start();
    plugAndPull(daemon);
    await daemon.heard.waitFor('event:published', { count: 2 });
    await daemon.stop();
    const [attach, detach] = daemon.heard.of('event:published').map(({ eventId }) => eventId);
    const steps = ['announced', 'stored', 'published'];
    expect(stepsOf(lines)).toEqual({ [attach]: steps, [detach]: steps });
    expect(lines.find(({ message }) => message === 'announced')).toEqual({
      level: 'debug',
      target: 'usb_daemon_core::engine::announcer',
      message: 'announced',
      fields: { action: 'attach', port: '201-1', vendor_id: '046d', product_id: 'c31c', product: 'Keyboard', serial_number: 'SERIAL-7', backend: 'simulated' },
      timestamp: expect.any(Number),
      eventId: attach,
    });
    const published = lines.filter(({ message }) => message === 'published').map(({ fields }) => fields.stream_id);
    expect(published).toEqual(daemon.heard.of('event:published').map(({ streamId }) => streamId));
  });

  it('says which event failed, and where', async () => {
    USBDaemon.initializeTracing({ level: 'debug' });
    const redis = { host: '127.0.0.1', port: await freePort() };
    const daemon = openDaemon({ redis, outbox: { max_events: 1, when_full: 'drop-newest' }, shutdown_ms: 0 });
    const lines = listen(daemon);
    await daemon.start();
    plugAndPull(daemon);
    await until(() => daemon.getHealth().outbox.dropped === 1, 'an event to be dropped');
    await daemon.stop();
    expect(Object.values(stepsOf(lines))).toEqual([['announced', 'stored'], ['announced', 'failed']]);
    expect(lines.find(({ message }) => message === 'failed').fields).toEqual({ step: 'store', reason: 'the outbox is full' });
  });

  it('is heard by its own listeners, whatever other daemons the process has', async () => {
    USBDaemon.initializeTracing({ level: 'trace' });
    const daemons = [openDaemon(), openDaemon(), openDaemon()];
    const heard = daemons.slice(0, 2).map(listen);
    await Promise.all(daemons.map((daemon) => daemon.start()));
    const producers = daemons.map((daemon) => daemon.getHealth().outbox.producer);
    for (const daemon of daemons) cycle(daemon, 40);
    await Promise.all(daemons.map((daemon) => daemon.heard.waitFor('device:detach', { count: 20 })));
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    for (const [at, lines] of heard.entries()) {
      const steps = stepsOf(lines);
      expect(Object.keys(steps)).toHaveLength(40);
      for (const [eventId, messages] of Object.entries(steps)) {
        expect({ producer: eventId.split(':')[0], messages }).toEqual({ producer: producers[at], messages: ['announced', 'stored'] });
      }
    }
  });

  it('begins when a listener comes, ends when the last one has left, and begins again', async () => {
    USBDaemon.initializeTracing({ level: 'debug' });
    const daemon = openDaemon();
    await daemon.start();
    const seqs = (lines) => Object.keys(stepsOf(lines)).map((eventId) => Number(eventId.split(':')[1]));
    /** Two events, and until whoever listens has all lines of them. */
    const turn = async (count, listening = []) => {
      plugAndPull(daemon);
      await daemon.heard.waitFor('device:detach', { count });
      await until(() => daemon.getHealth().outbox.published === 2 * count, 'the events to be stored');
      const isTold = (lines) => stepsOf(lines)[`${daemon.getHealth().outbox.producer}:${2 * count}`]?.length === 2;
      await until(() => listening.every(isTold), 'their lines');
    };
    await turn(1);
    const first = listen(daemon);
    const second = listen(daemon);
    await turn(2, [first, second]);
    first.end();
    await turn(3, [second]);
    daemon.removeAllListeners('log');
    await turn(4);
    const third = listen(daemon);
    const once5 = [];
    daemon.once('log', (line) => once5.push(line));
    await turn(5, [third]);
    daemon.removeAllListeners();
    await daemon.stop();
    expect([first, second, third].map(seqs)).toEqual([[3, 4], [3, 4, 5, 6], [9, 10]]);
    expect(once5).toEqual([third[0]]);
  });

  it('has the level that is in force, from the moment on at which that changes', async () => {
    const daemon = openDaemon();
    const lines = listen(daemon);
    await daemon.start();
    const turn = async (level, count) => {
      USBDaemon.initializeTracing({ level });
      plugAndPull(daemon);
      await daemon.heard.waitFor('device:detach', { count });
      return until(() => daemon.getHealth().outbox.published === 2 * count, 'the events to be stored');
    };
    await turn('info', 1);
    await turn('off', 2);
    await turn('debug', 3);
    await turn('warn', 4);
    await daemon.stop();
    expect(Object.keys(stepsOf(lines)).map((eventId) => Number(eventId.split(':')[1]))).toEqual([5, 6]);
    expect(lines.filter(({ level }) => level === 'info')).not.toEqual([]);
  });

  it('goes on over a stop and a start, with the same listener', async () => {
    USBDaemon.initializeTracing({ level: 'debug' });
    const daemon = openDaemon();
    const lines = listen(daemon);
    for (const count of [1, 2]) {
      await daemon.start();
      plugAndPull(daemon);
      await daemon.heard.waitFor('device:detach', { count });
      await daemon.stop();
      // All that was said is there once stop() has resolved.
      expect(Object.values(stepsOf(lines))).toEqual(Array.from({ length: 2 * count }, () => ['announced', 'stored']));
    }
  });

  it('does no harm with a listener that throws: events and further listeners get everything', async () => {
    const messages = uncaught();
    USBDaemon.initializeTracing({ level: 'debug' });
    const daemon = openDaemon();
    daemon.on('log', ({ message }) => {
      throw new Error(`no ${message}`);
    });
    const lines = listen(daemon);
    await daemon.start();
    cycle(daemon, 200);
    await daemon.heard.waitFor('device:detach', { count: 100 });
    await daemon.stop();
    await until(() => messages.length >= lines.length, 'what the listener has thrown');
    expect(Object.values(stepsOf(lines))).toEqual(Array.from({ length: 200 }, () => ['announced', 'stored']));
    expect(new Set(messages)).toEqual(new Set(lines.map(({ message }) => `no ${message}`)));
    expect(daemon.heard.of('device:attach')).toHaveLength(100);
  });

  it('tells how many lines found no room while the listener was busy, and no event is lost', async () => {
    USBDaemon.initializeTracing({ level: 'debug' });
    const daemon = openDaemon();
    const lines = listen(daemon);
    await daemon.start();
    cycle(daemon, 2000);
    // JavaScript does nothing else meanwhile.
    const deadline = performance.now() + 30_000;
    while (daemon.getHealth().outbox.published < 2000 && performance.now() < deadline);
    await daemon.heard.waitFor('device:detach', { count: 1000 });
    await daemon.stop();
    const lost = lines.filter(({ target }) => target.endsWith('::log'));
    expect(lost).toEqual([expect.objectContaining({ level: 'warn', message: 'lines lost: whoever listens is too slow' })]);
    const about = lines.filter(({ eventId }) => eventId).length;
    expect(about).toBeLessThan(2000);
    expect(about + lost[0].fields.lost).toBe(4000);
    expect(daemon.heard.of('gap')).toEqual([]);
    const seqs = daemon.heard.all.flatMap(({ event, value }) => (event.startsWith('device:') ? [Number(value.eventId.split(':')[1])] : []));
    expect(seqs).toEqual(Array.from({ length: 2000 }, (_, at) => at + 1));
  });

  it('is each worker\'s own, and so is its level', async () => {
    const told = await Promise.all(
      [['debug', 30], ['info', 20], ['debug', 10]].map(async ([level, count]) => {
        const worker = new Worker(new URL('logs/worker.cjs', import.meta.url), { workerData: { config: SIMULATED, level, count } });
        const [message] = await once(worker, 'message');
        await worker.terminate();
        return { ...message, count: level === 'debug' ? count : 0 };
      }),
    );
    for (const { producer, lines, count } of told) {
      const expected = Array.from({ length: 2 * count }, (_, at) => [`${producer}:${at + 1}`, ['announced', 'stored']]);
      expect(Object.entries(stepsOf(lines))).toEqual(expected);
      expect(lines.some(({ level }) => level === 'info')).toBe(true);
    }
  });
});

describe('a program with a daemon in it', () => {
  const PASSWORD = 'hunter2 "of all';
  const TOKEN = 'letmein';
  const everything = async () => ({ sources: { simulated: true }, redis: { host: '127.0.0.1', port: await freePort(), password: PASSWORD }, shutdown_ms: 0, monitoring: { healthcheck_port: 0, token: TOKEN } });
  const ALL = { LOG_LEVEL: 'trace', RUST_LOG: 'trace' };

  it.each([
    ['listens to its log', { listens: true }, ALL],
    ['listens to it later', { listens: 'later' }, ALL],
    ['does not', { listens: false }, ALL],
    ['asks for everything and does not listen', { listens: false, level: 'trace' }, ALL],
  ])('has its stdout and stderr to itself where it %s', async (_, settings, env) => {
    const { code, written, lines } = await host({ config: await everything(), ...settings }, env);
    expect({ code, written }).toEqual({ code: 0, written: '' });
    const runs = { true: 2, later: 1, false: 0 }[settings.listens];
    expect(lines.filter(({ message }) => message === 'announced')).toHaveLength(2 * runs);
  });

  it('finds neither password nor token in its log, and serial numbers at debug only', async () => {
    const server = await startedRedis({ args: ['--requirepass', PASSWORD], client: { password: PASSWORD } });
    const config = await everything();
    for (const redis of [config.redis, { ...config.redis, port: server.port }, { ...config.redis, port: server.port, password: `${PASSWORD}?` }]) {
      const { lines } = await host({ config: { ...config, redis }, listens: true, level: 'trace' });
      expect(JSON.stringify(lines)).not.toMatch(/hunter2|letmein/);
      const loud = lines.filter(({ level }) => LEVELS.indexOf(level) <= LEVELS.indexOf('info'));
      expect(JSON.stringify(loud)).not.toContain('SERIAL-7');
      expect(JSON.stringify(lines)).toContain('SERIAL-7');
      expect(lines.map(({ fields }) => fields.product)).toContain('Key\nboard');
    }
  });

  it.each([
    [undefined, undefined, ['info']],
    ['Debug', undefined, ['info', 'debug']],
    ['verbose', undefined, ['info']],
    ['off', undefined, []],
    ['off', 'debug', ['info', 'debug']],
  ])('hears with LOG_LEVEL %s and level %s lines at %j', async (LOG_LEVEL, level, expected) => {
    const { lines } = await host({ config: { ...SIMULATED }, listens: true, level }, LOG_LEVEL ? { LOG_LEVEL } : {});
    expect(new Set(lines.map((line) => line.level))).toEqual(new Set(expected));
  });
});

describe('the log of a consumer', () => {
  it('has the events that it hands over, joined by their eventId to the daemon\'s', async () => {
    const server = await startedRedis();
    USBDaemon.initializeTracing({ level: 'debug' });
    const daemon = openDaemon({ redis: { host: '127.0.0.1', port: server.port } });
    const published = listen(daemon);
    await daemon.start();
    plugAndPull(daemon);
    await daemon.heard.waitFor('event:published', { count: 2 });
    await daemon.stop();
    const consumer = openConsumer(server, { max_attempts: 2 });
    const lines = listen(consumer);
    let attempts = 0;
    consume(consumer, async ({ action }) => {
      if (action === 'attach' && (attempts += 1) < 2) throw new Error('not yet');
      if (action === 'detach') throw new Error('never');
    });
    await until(() => consumer.told.dead.length === 1, 'the dead letter');
    await consumer.stop();
    const [attach, detach] = Object.keys(stepsOf(published));
    expect(stepsOf(lines)).toEqual({
      [attach]: ['handed over', 'failed', 'handed over', 'handled'],
      [detach]: ['handed over', 'failed', 'handed over', 'failed', 'dead'],
    });
    expect(lines.filter(({ message }) => message === 'failed').map(({ fields }) => fields.reason)).toEqual(['not yet', 'never', 'never']);
  });
});

describe('the command line', () => {
  it('logs to a pipe as JSON, a line for each step with its event_id', async () => {
    const run = command(['--no-redis', '--no-http', '--simulate'], { env: { LOG_LEVEL: 'debug' } });
    await run.stderr.waitFor(/"stored"/, { count: 4 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
    const lines = run.stderr.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    const steps = {};
    for (const { level, fields } of lines) {
      expect(LEVELS).toContain(level.toLowerCase());
      if (fields.event_id) (steps[fields.event_id] ??= []).push(fields.message);
    }
    expect(Object.keys(steps).length).toBeGreaterThanOrEqual(4);
    for (const messages of Object.values(steps)) expect(messages).toEqual(['announced', 'stored']);
  });
});
