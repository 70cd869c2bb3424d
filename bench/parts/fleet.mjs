// A fleet: two hundred producers, each a daemon with an outbox of its own, on one Redis, and a group of twenty consumers.

import { loadavg } from 'node:os';
import { quantile } from '../figures.mjs';
import { start } from '../redis/program.mjs';
import { startBenchServer } from '../redis/server.mjs';

export const title = 'A fleet: 200 producers, one Redis, 20 consumers';

const PRODUCERS = { processes: 4, each: 50 };
const CONSUMERS = { processes: 2, each: 10 };
const STREAM = 'aw:hotplug';
/** Events of the whole fleet in a second; 0: flat out. */
const RATES = [200, 1_000, 2_000, 0];

async function startPrograms(name, { processes, each }, options) {
  const programs = Array.from({ length: processes }, (_, at) => start(name, { ...options, first: at * each, count: each }));
  return { programs, said: await Promise.all(programs.map((program) => program.line())) };
}

/** Tells of events, and waits until all of them have been handled. */
async function measure(server, producers, consumers, { events, perSecond }) {
  const share = { events: events / producers.length, perSecond: perSecond / producers.length };
  const before = [await server.cpuMicros(), await cpuOf(consumers), await server.client.xlen(STREAM)];
  const began = performance.now();
  const told = await Promise.all(producers.map((program) => program.ask(share)));
  const publishedMs = performance.now() - began;
  const handled = [];
  let consumerCpu = 0;
  const until = performance.now() + 60_000;
  while (handled.length < events && performance.now() < until) {
    const answers = await Promise.all(consumers.map((program) => program.ask()));
    consumerCpu = answers.reduce((sum, answer) => sum + answer.cpuMicros, 0);
    handled.push(...answers.flatMap((answer) => answer.handled));
    if (handled.length < events) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const handledMs = performance.now() - began;
  const latencies = handled.map(([, ms]) => ms);
  return {
    perSecond,
    events,
    handled: handled.map(([eventId]) => eventId),
    published: (await server.client.xlen(STREAM)) - before[2],
    publishRate: (events * 1_000) / publishedMs,
    handleRate: (events * 1_000) / handledMs,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    producerCpu: told.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0) / events,
    serverCpu: ((await server.cpuMicros()) - before[0]) / events,
    consumerCpu: (consumerCpu - before[1]) / events,
  };
}

async function cpuOf(programs) {
  const answers = await Promise.all(programs.map((program) => program.ask()));
  return answers.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
}

/** What is wrong with the stream, and with what was handled. */
async function examine(server, told) {
  const entries = await server.client.xrange(STREAM, '-', '+');
  const eventIds = entries.map(([, flat]) => flat[flat.indexOf('event_id') + 1]);
  const last = new Map();
  let outOfOrder = 0;
  for (const eventId of eventIds) {
    const at = eventId.lastIndexOf(':');
    const [producer, seq] = [eventId.slice(0, at), Number(eventId.slice(at + 1))];
    // Numbers have no holes, so each is one more than the one before.
    if (seq !== (last.get(producer) ?? 0) + 1) outOfOrder += 1;
    last.set(producer, seq);
  }
  const handled = new Set(told.flatMap((round) => round.handled));
  const events = told.reduce((sum, round) => sum + round.events, 0);
  return { producers: last.size, missing: events - new Set(eventIds).size, twice: eventIds.length - new Set(eventIds).size, outOfOrder, unhandled: eventIds.filter((eventId) => !handled.has(eventId)).length };
}

export async function run({ quick, log }) {
  const server = await startBenchServer(['--maxclients', '2000']);
  const redis = { path: server.path, stream: STREAM };
  let consumers = [];
  let producers = [];
  try {
    // Here 200 daemons share one machine, and would look out for each other, which those of 200 machines have no reason to.
    await server.client.acl('SETUSER', 'producer', 'on', '>producer', '~*', '+@all', '-hgetall');
    const bare = [await server.memory(), await clients(server)];
    consumers = (await startPrograms('fleet-consumers', CONSUMERS, { redis, group: 'plugin-loader' })).programs;
    const between = [await server.memory(), await clients(server)];
    const started = await startPrograms('fleet-producers', PRODUCERS, { redis: { ...redis, username: 'producer', password: 'producer' } });
    producers = started.programs;
    const after = [await server.memory(), await clients(server)];
    const count = PRODUCERS.processes * PRODUCERS.each;
    const costs = {
      daemonBytes: started.said.reduce((sum, { rss }) => sum + rss, 0) / count,
      daemonConnections: (after[1] - between[1]) / count,
      serverBytes: (after[0] - between[0]) / count,
      consumerConnections: (between[1] - bare[1]) / (CONSUMERS.processes * CONSUMERS.each),
    };
    Object.assign(costs, await idleCosts(server, quick ? 10_000 : 30_000, count));
    const rounds = [];
    const dataset = await server.dataset();
    for (const perSecond of RATES) {
      const seconds = quick ? 2 : 10;
      const events = perSecond === 0 ? (quick ? 10_000 : 40_000) : perSecond * seconds;
      const round = await measure(server, producers, consumers, { events, perSecond });
      rounds.push(round);
      log(`${perSecond === 0 ? 'flat out' : `${perSecond} events/s`}: published ${Math.round(round.publishRate)}/s, handled ${Math.round(round.handleRate)}/s, p50 ${round.p50} ms, p99 ${round.p99} ms`);
    }
    const entries = await server.client.xlen(STREAM);
    costs.entryBytes = ((await server.dataset()) - dataset) / entries;
    costs.streamBytes = (await server.client.call('MEMORY', 'USAGE', STREAM, 'SAMPLES', '0')) / entries;
    return report(rounds, costs, await examine(server, rounds));
  } finally {
    await Promise.all([...producers, ...consumers].map((program) => program.end()));
    await server.close();
  }
}

/** What a daemon that has nothing to tell asks of the server: signs of life, and a look at the groups and at the length. */
async function idleCosts(server, forMs, count) {
  // Those that have just started look more often.
  await new Promise((resolve) => setTimeout(resolve, forMs));
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await server.client.info('stats'))[1]);
  const before = [await commands(), await server.cpuMicros()];
  await new Promise((resolve) => setTimeout(resolve, forMs));
  const seconds = forMs / 1_000;
  return { idleCommands: ((await commands()) - before[0]) / seconds / count, idleMicros: ((await server.cpuMicros()) - before[1]) / seconds / count };
}

async function clients(server) {
  return Number(/connected_clients:(\d+)/.exec(await server.client.info('clients'))[1]);
}

function report(rounds, costs, found) {
  return {
    tables: [
      {
        caption: `200 daemons in ${PRODUCERS.processes} processes, 20 consumers of one group in ${CONSUMERS.processes}, all on one machine with the server (load ${loadavg()[0].toFixed(1)} at the end); latency from the transition to the handler, by clocks of 1 ms`,
        head: ['events/s asked for', 'events', 'published/s', 'handled/s', 'p50 ms', 'p99 ms', 'CPU µs an event: producers', 'server', 'consumers'],
        rows: rounds.map(({ perSecond, events, publishRate, handleRate, p50, p99, producerCpu, serverCpu, consumerCpu }) => [
          perSecond || 'flat out',
          events,
          ...[publishRate, handleRate, p50, p99, producerCpu, serverCpu, consumerCpu].map((value) => Math.round(value)),
        ]),
      },
      {
        caption: 'What each costs',
        head: ['', ''],
        rows: [
          ['connections of a daemon', costs.daemonConnections.toFixed(2)],
          ['connections of a consumer', costs.consumerConnections.toFixed(2)],
          ['memory of the server for a daemon that is connected, KB', (costs.serverBytes / 1024).toFixed(1)],
          ['memory of the server for an entry, bytes (used_memory_dataset)', Math.round(costs.entryBytes)],
          ['… as MEMORY USAGE estimates it', Math.round(costs.streamBytes)],
          ['commands of an idle daemon in a second, its share of the consumers\' among them', costs.idleCommands.toFixed(2)],
          ['processor time of the server for an idle daemon, µs in a second', costs.idleMicros.toFixed(0)],
          ['RSS of a further daemon in a process, KB', Math.round(costs.daemonBytes / 1024)],
        ],
      },
    ],
    checks: [
      { name: 'events that are not in the stream', value: found.missing, atMost: 0 },
      { name: 'events that are in the stream twice', value: found.twice, atMost: 0 },
      { name: "events out of their producer's order", value: found.outOfOrder, atMost: 0 },
      { name: 'events that no consumer has handled', value: found.unhandled, atMost: 0 },
    ],
    plots: [],
    data: { costs, found, rounds: rounds.map(({ handled, ...round }) => ({ ...round, handled: handled.length })) },
  };
}
