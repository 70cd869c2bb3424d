// Publishing from the outbox, beside redis-benchmark and the clients of Node: one real redis-server, the same entries, in turns.

import { loadavg } from 'node:os';
import { median } from '../figures.mjs';
import { peerFolder } from '../peers.mjs';
import { outboxFile, publishBacklog, publishByBenchmark, publishByClient } from '../redis/publishing.mjs';
import { startBenchServer } from '../redis/server.mjs';

export const title = 'Redis: publishing a backlog, beside redis-benchmark and the clients of Node';

const BENCHMARK = 'redis-benchmark';
const DISK = 'usb-daemon, outbox on disk';
const MEMORY = 'usb-daemon, outbox in memory';
const MODES = [
  { name: 'in hundreds', batch: 100, atLeast: 0.6 },
  { name: 'one at a time', batch: 1, atLeast: 0.75 },
];

/** An entry as the daemon writes it, which all the others write as well. */
async function sampleEntry(server) {
  await publishBacklog(server, { stream: 'sample', events: 20_000, batch: 1_000, path: null });
  const [[, flat]] = await server.client.xrange('sample', '-', '+', 'COUNT', 1);
  const [[, last]] = await server.client.xrevrange('sample', '+', '-', 'COUNT', 1);
  await server.client.del('sample');
  // The last one's numbers are as long as most.
  const names = flat.filter((_, at) => at % 2 === 0);
  return names.map((name, at) => [name, last[2 * at + 1]]);
}

export async function run({ quick, log, folder }) {
  const rounds = quick ? 3 : 9;
  const events = quick ? 10_000 : 20_000;
  const peers = await peerFolder(folder);
  const server = await startBenchServer();
  const loads = [loadavg()[0]];
  const figures = {};
  try {
    const fields = await sampleEntry(server);
    const subjects = {
      [BENCHMARK]: (given) => publishByBenchmark(server, { ...given, fields }),
      [DISK]: (given) => publishBacklog(server, { ...given, path: outboxFile(server, given.stream) }),
      [MEMORY]: (given) => publishBacklog(server, { ...given, path: null }),
      ioredis: (given) => publishByClient(server, { ...given, client: 'ioredis', peers, fields }),
      'node-redis': (given) => publishByClient(server, { ...given, client: 'node-redis', peers, fields }),
    };
    for (const { name: mode } of MODES) figures[mode] = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const { name: mode, batch } of MODES) {
        // Forth and back: none always comes after the same one.
        const order = round % 2 === 0 ? Object.entries(subjects) : Object.entries(subjects).reverse();
        for (const [name, publish] of order) {
          const stream = `bench-${round}-${batch}-${Object.keys(subjects).indexOf(name)}`;
          figures[mode][name].push(await publish({ stream, events, batch }));
          await server.client.del(stream);
        }
        log(`round ${round + 1} of ${rounds}, ${mode}: ${Object.entries(figures[mode]).map(([name, each]) => `${name} ${thousands(each.at(-1).rate)}`).join(', ')}`);
      }
      loads.push(loadavg()[0]);
    }
    return report(figures, fields, { events, rounds, loads });
  } finally {
    await server.close();
  }
}

function report(figures, fields, { events, rounds, loads }) {
  const ratio = (mode, name) => median(figures[mode][name].map(({ rate }, at) => rate / figures[mode][BENCHMARK][at].rate));
  const figure = (mode, name, key) => median(figures[mode][name].map((each) => each[key]));
  const sizes = fields.map(([name, value]) => [name, Buffer.byteLength(name), Buffer.byteLength(value)]);
  const total = (column) => sizes.reduce((sum, size) => sum + size[column], 0);
  return {
    tables: [
      ...MODES.map(({ name: mode }) => ({
        caption: `${events} entries of ${fields.length} fields ${mode}, by the IDs that the server gave them; medians of ${rounds} rounds (load of the machine ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)})`,
        head: ['', 'entries/s', `of ${BENCHMARK}`, 'CPU µs an entry, publisher', 'CPU µs an entry, server'],
        rows: Object.keys(figures[mode]).map((name) => [
          name,
          Math.round(figure(mode, name, 'rate')),
          ratio(mode, name).toFixed(2),
          name === BENCHMARK ? '–' : figure(mode, name, 'cpu').toFixed(1),
          figure(mode, name, 'serverCpu').toFixed(1),
        ]),
      })),
      {
        caption: `Bytes of an entry; in the server's memory it takes ${Math.round(figure('in hundreds', DISK, 'bytes'))} (names of fields that repeat are kept once)`,
        head: ['field', 'name', 'value'],
        rows: [...sizes, ['all', total(1), total(2)]],
      },
    ],
    checks: MODES.flatMap(({ name: mode, atLeast }) => [DISK, MEMORY].map((name) => ({ name: `${name}, ${mode}, of ${BENCHMARK}`, value: ratio(mode, name), atLeast }))),
    plots: [{ name: 'redis-throughput', spec: bars(figures, figure) }],
    data: { events, loads, fields, figures },
  };
}

const thousands = (rate) => `${(rate / 1000).toFixed(1)}k`;

function bars(figures, figure) {
  const values = Object.keys(figures).flatMap((mode) => Object.keys(figures[mode]).map((subject) => ({ mode, subject, rate: figure(mode, subject, 'rate') })));
  return {
    width: 480,
    height: 140,
    data: { values },
    mark: 'bar',
    encoding: {
      row: { field: 'mode', type: 'nominal', title: null },
      y: { field: 'subject', type: 'nominal', title: null, sort: Object.keys(figures[MODES[0].name]) },
      x: { field: 'rate', type: 'quantitative', title: 'entries a second' },
    },
    resolve: { scale: { x: 'independent' } },
  };
}
