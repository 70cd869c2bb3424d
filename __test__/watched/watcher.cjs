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

function read(url, onData) {
  get(url, { headers: { connection: 'close' } }, (response) => response.setEncoding('utf8').on('data', onData)).on('error', ({ message }) => print({ event: 'error', message }));
}

/** Answers every export with success, which is an empty message. */
const collector = createServer((request, response) => {
  request.resume().on('end', () => {
    got.exports += 1;
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
});

function watch({ port }) {
  const daemon = `http://127.0.0.1:${port}`;
  read(`${daemon}/events`, (text) => {
    got.events += text.split('\n').filter((line) => /^event: (attach|detach)$/.test(line)).length;
  });
  setInterval(() => {
    let text = '';
    read(`${daemon}/metrics`, (part) => {
      text += part;
      if (text.includes('usb_events_total')) {
        text = '';
        got.scrapes += 1;
      }
    });
  }, SCRAPE_MS);
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { command, ...args } = JSON.parse(line);
    if (command === 'watch') watch(args);
    print({ answer: command, ...got });
  })
  .on('close', () => process.exit());
collector.listen(0, '127.0.0.1', () => print({ event: 'ready', collector: collector.address().port }));
