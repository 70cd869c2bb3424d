// Consumers and their streams, for one test: what they are given and tell, and what Redis still has pending.

import { expect, onTestFinished } from 'vitest';
import { USBEventConsumer } from './daemon.mjs';
import { startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

export const STREAM = 'aw:hotplug';
export const DEAD = '{aw:hotplug}:dead';
export const GROUP = 'plugin-loader';

/** Whatever becomes of a test, a stop must not wait for a handler that it holds. */
const holds = new Set();

/** A server that is closed when the test ends. */
export async function startedRedis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

/** A consumer that is stopped when the test ends, with what it has told. */
export function openConsumer(server, { name = 'main', group = GROUP, redis = {}, ...options } = {}) {
  const consumer = new USBEventConsumer({ host: '127.0.0.1', port: server.port, timeout_ms: 500, ...redis }, group, name, { start_at: '0', retry_ms: 1, ...options });
  const told = { errors: [], dead: [], states: [] };
  consumer.on('error', (error) => told.errors.push(error));
  consumer.on('dead', (letter) => told.dead.push(letter));
  consumer.on('redis:state', (state) => told.states.push(state));
  onTestFinished(() => {
    for (const release of holds) release();
    return consumer.stop();
  });
  return Object.assign(consumer, { told });
}

/** Starts to consume; gives the list of the product names of events that the handler has finished with. */
export function consume(consumer, handler = async () => {}) {
  const handled = [];
  const done = consumer.startConsuming(async (event) => {
    await handler(event);
    handled.push(event.product);
  });
  done.catch(() => {});
  return handled;
}

/** A handler that keeps what it is given until it is released: `given` lists it. */
export function holding() {
  const given = [];
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  holds.add(release);
  const handler = ({ product }) => {
    given.push(product);
    return released;
  };
  return { given, handler, release };
}

/** Adds entries as a simple program would, each told apart by its product's name. */
export async function add(server, products, fields = {}) {
  const pipeline = server.client.pipeline();
  for (const product of products) {
    const entry = { action: 'attach', vendor_id: '46d', product_id: 'c31c', product: String(product), ...fields };
    pipeline.xadd(STREAM, '*', ...Object.entries(entry).flat());
  }
  for (const [error] of await pipeline.exec()) if (error) throw error;
}

/** Entries that somebody has and has not acknowledged: [id, consumer, ms since it was given, how often]. */
export async function pending(server, group = GROUP) {
  return server.client.xpending(STREAM, group, '-', '+', 1000);
}

export function noneIsPending(server) {
  return until(async () => (await pending(server)).length === 0, 'an empty list of pending entries');
}

/** What `command` has been called so far, by anybody. */
export async function calls(server, command) {
  const [, count = 0] = new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await server.client.info('commandstats')) ?? [];
  return Number(count);
}

/** Waits until members have looked at what they have in hand so many times more: each time by XPENDING. */
export async function looksInHand(server, times) {
  const before = await calls(server, 'xpending');
  await until(async () => (await calls(server, 'xpending')) >= before + times, `${times} looks at what is in hand`);
}

/** The group is emptied and made anew by somebody else, in one step. */
export async function emptiedAndMadeAnew(server) {
  const results = await server.client.multi().flushall().xgroup('CREATE', STREAM, GROUP, '0', 'MKSTREAM').exec();
  expect(results).toEqual([[null, 'OK'], [null, 'OK']]);
}
