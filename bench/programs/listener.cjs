'use strict';

// The process in which one subject listens. It notes when each event reached JavaScript, and does nothing else meanwhile: what was heard
// is said when it is asked for. Lines on stdin are commands, each answered by one line of JSON.
//
//   node listener.cjs SUBJECT OPTIONS

const { createInterface } = require('node:readline');

const MOST = 200_000;
/** Action (0: attach, 1: detach), bus, address and time of each event: room for them is made before they come. */
let heard = new Float64Array(MOST * 4);
let count = 0;

/** In ns, on the clock that all processes have: up to a hundred days after the machine's start a double has each ns. */
function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

function note(action, bus, address) {
  const at = now();
  if (count * 4 === heard.length) {
    const more = new Float64Array(heard.length * 2);
    more.set(heard);
    heard = more;
  }
  heard.set([action, bus, address, at], count * 4);
  count += 1;
}

const [, , name, text] = process.argv;
const options = JSON.parse(text);
const began = now();
const subject = require(`./subjects/${name}.cjs`);

const commands = {
  count: () => count,
  take: () => {
    const taken = [...heard.subarray(0, count * 4)];
    count = 0;
    return taken;
  },
  memory: () => {
    globalThis.gc?.();
    return process.memoryUsage();
  },
  health: () => subject.health?.() ?? null,
  devices: () => subject.devices?.() ?? null,
  gaps: () => subject.gaps?.() ?? [],
};

Promise.resolve(subject.start(options, note)).then(() => {
  print({ ready: true, began, at: now() });
  createInterface({ input: process.stdin })
    .on('line', (line) => print({ answer: commands[line]() }))
    .on('close', async () => {
      await subject.stop?.();
      process.exit(0);
    });
});

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
