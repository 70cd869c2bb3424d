'use strict';

// The bed's end of a bridge to an HTTP server in it: a request per line comes in, what is answered goes out, a line for each part.

const { request } = require('node:http');
const { createInterface } = require('node:readline');

const port = Number(process.argv[2]);
const underWay = new Map();

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function ask({ id, method, path, headers }) {
  const end = (line) => {
    if (underWay.delete(id)) print({ id, ...line });
  };
  const asked = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
    print({ id, status: answer.statusCode, headers: answer.headers });
    answer.on('data', (part) => print({ id, part: part.toString('base64') }));
    answer.on('close', () => end({ end: true }));
  });
  underWay.set(id, asked);
  asked.on('error', ({ message }) => end({ error: message }));
  asked.end();
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const line = JSON.parse(text);
    if (line.given_up) underWay.get(line.id)?.destroy();
    else ask(line);
  })
  .on('close', () => process.exit());
print({ ready: true });
