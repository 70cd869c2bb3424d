'use strict';

// The process that is watched: one subject that listens, and counts what it hears. What is counted is not kept, so that nothing grows here.
// Lines on stdin are commands, each answered by one line of JSON.
//
//   node --expose-gc program.cjs SUBJECT OPTIONS

const { openSync } = require('node:fs');
const { createInterface } = require('node:readline');

const [, , name, text] = process.argv;
const options = JSON.parse(text);

/** Devices that were present at start, events of each kind, holes in their numbers, events out of turn, and gaps that were reported. */
const heard = { present: 0, attach: 0, detach: 0, last: 0, holes: 0, outOfTurn: 0, gaps: 0, errors: 0 };
const leaked = [];

/** Leaks on purpose: what must be found. */
const leaks = {
  heap: (event) => leaked.push(event),
  external: () => heard.attach % 100 === 0 && leaked.push(Buffer.alloc(4_096, 1)),
  descriptors: () => heard.attach % 100 === 0 && openSync('/dev/null'),
  timers: () => heard.attach % 100 === 0 && setInterval(() => {}, 0x7fffffff),
};
const leak = leaks[options.leak] ?? (() => {});

/** This package: every event has its number, the one after the last, and a device is there before it leaves. */
async function startDaemon() {
  const { USBDaemon } = require('../package.cjs');
  const daemon = new USBDaemon(options.config);
  const count = (action) => (info) => {
    const seq = Number(info.eventId.slice(info.eventId.lastIndexOf(':') + 1));
    if (seq !== heard.last + 1) heard.holes += 1;
    heard.last = seq;
    if (info.synthetic === 'startup') heard.present += 1;
    else heard[action] += 1;
    if (heard.attach - heard.detach !== (action === 'attach' && info.synthetic === undefined ? 1 : 0)) heard.outOfTurn += 1;
    leak(info);
  };
  daemon.on('device:attach', count('attach'));
  daemon.on('device:detach', count('detach'));
  daemon.on('gap', () => (heard.gaps += 1));
  daemon.on('error', (error) => {
    heard.errors += 1;
    process.stderr.write(`${error.code}: ${error.message}\n`);
  });
  await daemon.start();
  return daemon;
}

/** A peer, whose listener does as little. */
async function startPeer() {
  const subject = require(`../programs/subjects/${name}.cjs`);
  await subject.start(options, (action) => {
    heard[action === 0 ? 'attach' : 'detach'] += 1;
    leak({});
  });
}

function resources() {
  const counted = {};
  for (const kind of process.getActiveResourcesInfo()) counted[kind] = (counted[kind] ?? 0) + 1;
  return counted;
}

async function main() {
  const daemon = name === 'usb-daemon' ? await startDaemon() : await startPeer();
  const state = () => ({ heard, outbox: daemon?.getHealth().outbox ?? null });
  const commands = {
    heard: () => heard,
    state,
    memory: () => process.memoryUsage(),
    resources,
    gc: () => {
      globalThis.gc();
      return process.memoryUsage();
    },
  };
  print({ ready: true });
  createInterface({ input: process.stdin })
    .on('line', (line) => print({ answer: commands[line]() }))
    .on('close', async () => {
      await daemon?.stop();
      process.exit(0);
    });
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

main();
