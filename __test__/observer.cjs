'use strict';

// A host process for the addon: prints every event that USBDaemon emits as one line of JSON, with the monotonic time at
// which the listener ran, and takes commands on stdin. Runs as it is in a namespace and in the virtual machine.

const { once } = require('node:events');
const { createInterface } = require('node:readline');
const USBDaemon = require('..');

const EVENTS = [
  'device:attach',
  'device:detach',
  'event:published',
  'started',
  'stopped',
  'gap',
  'source:state',
  'redis:state',
  'driver',
  'error',
];

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const options = JSON.parse(process.argv[2] ?? '{}');
if (options.tracing) USBDaemon.initializeTracing();
const daemon = new USBDaemon(options.config);
const wanted = options.only ?? EVENTS.filter((event) => event !== 'event:published' || options.published);
for (const event of wanted) {
  daemon.on(event, (value, context) => {
    const monotonic_ns = String(process.hrtime.bigint());
    if (value instanceof Error) print({ event, monotonic_ns, code: value.code, message: value.message, context });
    else print({ event, monotonic_ns, value });
  });
}

/** Blocks the event loop for so many milliseconds. */
function busy(ms) {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** One device comes and goes so often; gives how long JavaScript waited for each attach, in ms. */
async function latencies({ rounds }) {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const heard = once(daemon, 'device:attach');
    const began = performance.now();
    daemon.simulateAttach({ name: '202-1', vendorId: 0x046d, productId: 0xc31c });
    await heard;
    times.push(performance.now() - began);
    const left = once(daemon, 'device:detach');
    daemon.simulateDetach('202-1');
    await left;
  }
  return times;
}

const commands = {
  latencies,
  start: () => daemon.start(),
  stop: () => daemon.stop(),
  busy: ({ ms }) => busy(ms),
  list: () => daemon.getConnectedDevices(),
  health: () => daemon.getHealth(),
  identify: ({ info }) => daemon.identify(info),
  waitFor: ({ match }) => daemon.waitFor(match),
  memory: () => process.memoryUsage(),
  simulateAttach: ({ device }) => daemon.simulateAttach(device),
  simulateDetach: ({ port }) => daemon.simulateDetach(port),
};

// Commands take effect one after another. Where stdin ends, nothing is left that holds the process but the daemon.
let turn = Promise.resolve();
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const { command, ...args } = JSON.parse(line);
  turn = turn
    .then(() => commands[command](args))
    .then(
      (value) => print({ answer: command, value: value ?? null, monotonic_ns: String(process.hrtime.bigint()) }),
      (error) => print({ answer: command, code: error.code, message: error.message }),
    );
});
print({ event: 'ready', uid: process.getuid() });
