'use strict';

// Watches a daemon with all there is: takes its OTLP, holds its events open, and scrapes it once a second. Prints a line of JSON for what
// it has got. Runs beside the daemon, in a bed's network.

const { createServer, get } = require('node:http');
const { createInterface } = require('node:readline');

const SCRAPE_MS = 1000;
const got = { exports: 0, scrapes: 0, events: 0 };

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Calls `onLine` for each line of the answer; resolves once that has begun. */
function read(url, onLine) {
  return new Promise((resolve) => {
    get(url, { headers: { connection: 'close' } }, (response) => {
      // A daemon that stops cuts what is under way.
      createInterface({ input: response.on('error', () => {}) }).on('line', onLine).on('error', () => {});
      resolve();
    }).on('error', ({ message }) => print({ event: 'error', message }));
  });
}

/** Answers every export with success, which is an empty message. */
const collector = createServer((request, response) => {
  request.resume().on('end', () => {
    got.exports += 1;
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
});

async function watch({ port }) {
  const daemon = `http://127.0.0.1:${port}`;
  await read(`${daemon}/events`, (line) => {
    got.events += /^event: (attach|detach)$/.test(line) ? 1 : 0;
  });
  setInterval(() => {
    read(`${daemon}/metrics`, (line) => {
      got.scrapes += line.startsWith('# TYPE usb_devices_connected ') ? 1 : 0;
    });
  }, SCRAPE_MS);
}

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { command, ...args } = JSON.parse(line);
    if (command === 'watch') await watch(args);
    print({ answer: command, ...got });
  })
  .on('close', () => process.exit());
collector.listen(0, '127.0.0.1', () => print({ event: 'ready', collector: collector.address().port }));
