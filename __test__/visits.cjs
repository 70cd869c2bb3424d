'use strict';

// A daemon that says what its event loop did by itself. Commands on stdin, each answered by a line of JSON:
//   heard: what its listeners got since this was last asked, and how often the event loop has told of it by itself
//   busy MS: nothing else runs so long
//   keep MS: the same, and says so before in a line of its own
//   busyListener MS: from now on each tenth event keeps JavaScript busy so long
//   blockingListener MS: from now on each event does, and says so before in a line of its own
//   handles: what watches descriptors on the event loop
//   stop

const { createInterface } = require('node:readline');
const USBDaemon = require('..');

USBDaemon.initializeTracing({ level: 'trace' });
const daemon = new USBDaemon(JSON.parse(process.argv[2]));

let heard = [];
let visits = 0;
let listenerMs = 0;
let every = 10;

function busy(ms) {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function note(action, { location: { busNumber, deviceAddress }, synthetic }) {
  if (synthetic === 'startup') return;
  heard.push(`${action} ${busNumber}:${deviceAddress}`);
  if (heard.length % every !== 0 || listenerMs === 0) return;
  // Of a pipe, this waits until it is written.
  if (every === 1) process.stdout.write('{"keeps":true}\n');
  busy(listenerMs);
}

daemon.on('device:attach', (info) => note('add', info)).on('device:detach', (info) => note('remove', info));
daemon.on('gap', (gap) => heard.push(`gap ${gap.cause}`));
daemon.on('log', ({ message }) => {
  if (message === 'told by the event loop itself') visits += 1;
});

const commands = {
  heard: () => {
    const answer = { heard, visits };
    [heard, visits] = [[], 0];
    return answer;
  },
  busy: (ms) => busy(ms),
  keep: (ms) => {
    process.stdout.write('{"answer":true}\n');
    busy(ms);
  },
  busyListener: (ms) => void ([listenerMs, every] = [ms, 10]),
  blockingListener: (ms) => void ([listenerMs, every] = [ms, 1]),
  handles: () => process.report.getReport().libuv.filter(({ type }) => type === 'poll').map(({ is_active: active, is_referenced: holds }) => ({ active, holds })),
  stop: () => daemon.stop(),
};

daemon.start().then(() => {
  process.stdout.write('{"started":true}\n');
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [command, argument] = line.split(' ');
    const answer = (await commands[command](Number(argument))) ?? null;
    process.stdout.write(`${JSON.stringify({ answer })}\n`);
  });
});
