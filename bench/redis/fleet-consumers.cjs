// Consumers of one group in one process. A line on stdin is answered with what has been handled since the one before.

'use strict';

const { USBEventConsumer } = require('../package.cjs');

const { first, count, redis, group } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const usage = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
let handled = [];

function handle({ eventId, timestamp }) {
  handled.push([eventId, Date.now() - timestamp]);
}

async function main() {
  const consumers = Array.from({ length: count }, (_, at) => new USBEventConsumer(redis, group, `consumer-${first + at}`, { start_at: '0' }));
  for (const consumer of consumers) {
    consumer.on('error', ({ code, message }) => process.stderr.write(`${code}: ${message}\n`));
  }
  const connected = consumers.map((consumer) => new Promise((resolve) => consumer.on('redis:state', (state) => state.connected && resolve())));
  for (const consumer of consumers) consumer.startConsuming(handle);
  await Promise.all(connected);
  say({ started: true });
  process.stdin.on('data', () => {
    say({ handled, cpuMicros: usage() });
    handled = [];
  });
  await new Promise((resolve) => process.stdin.once('end', resolve));
  await Promise.all(consumers.map((consumer) => consumer.stop()));
}

main();
