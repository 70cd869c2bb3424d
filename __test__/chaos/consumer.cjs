// A member of a consumer group in a process of its own that can be killed. Each event that its handler has seen goes to a file.

'use strict';

const { appendFileSync } = require('node:fs');
const { setTimeout: pause } = require('node:timers/promises');
const { USBEventConsumer } = require('../..');

const { redis, group, name, options, ledger, handling } = JSON.parse(process.argv[2]);
const consumer = new USBEventConsumer(redis, group, name, options);
consumer.on('error', (error) => process.stderr.write(`${name}: ${error.code} ${error.message}\n`));
consumer.startConsuming(async (event) => {
  await pause(handling);
  appendFileSync(ledger, `${event.eventId}\n`);
});
process.on('SIGTERM', () => consumer.stop());
