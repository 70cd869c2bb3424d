'use strict';

// Clients that nobody wants, in a process of their own: many that say half of what they want, many at once, and nonsense.

const { randomBytes } = require('node:crypto');
const { connect } = require('node:net');

const port = Number(process.argv[2]);
const sockets = new Set();
let attacking = false;
/** Says once that an attack is under way. */
let begun = () => {};

/** What no client of HTTP would send, or not like that. */
const NONSENSE = [
  () => randomBytes(2000),
  () => Buffer.concat([Buffer.from('GET /health HTTP/1.1\r\nHost: localhost\r\n'), randomBytes(500)]),
  () => `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`,
  () => `GET /health HTTP/1.1\r\nHost: localhost\r\n${Array.from({ length: 1000 }, (_, at) => `X-${at}: y\r\n`).join('')}\r\n`,
  () => `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  () => 'POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk\r\n',
  () => 'POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nfffffffffffffffff\r\n',
  () => 'POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n',
  () => 'GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(300),
  () => 'GET /devices HTTP/9.9\r\n\r\n',
  () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  () => '\0\r\n\r\n',
  () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
];

function open(bytes, { stay = false } = {}) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.add(socket);
    const settle = () => resolve(socket);
    socket.on('error', settle);
    socket.once('close', () => {
      sockets.delete(socket);
      settle();
    });
    socket.once('connect', () => {
      socket.write(bytes);
      if (stay) settle();
      else socket.end();
    });
    socket.resume();
  });
}

/** So many connections in waves that leave those before them open, up to a bound of their own. */
async function connections({ count, bytes, atOnce = 400 }) {
  for (let opened = 0; opened < count && attacking; opened += 50) {
    await Promise.all(Array.from({ length: Math.min(50, count - opened) }, () => open(bytes, { stay: true })));
    const over = [...sockets].slice(0, Math.max(0, sockets.size - atOnce));
    for (const socket of over) socket.destroy();
    begun();
  }
}

async function nonsense({ rounds }) {
  for (let round = 0; round < rounds && attacking; round += 1) {
    await Promise.all(NONSENSE.map((make) => open(make())));
    begun();
  }
}

const HALF = 'GET /health HTTP/1.1\r\nHost: localhost\r\nX-';
const ATTACKS = {
  halves: ({ count }) => connections({ count, bytes: HALF, atOnce: count }),
  flood: ({ count }) => connections({ count, bytes: HALF }),
  whole: ({ count }) => connections({ count, bytes: 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n' }),
  nonsense,
};

process.on('message', async ({ attack, again = false, ...how }) => {
  if (attack === undefined) {
    attacking = false;
    for (const socket of sockets) socket.destroy();
    process.send('over');
    return;
  }
  attacking = true;
  begun = () => {
    begun = () => {};
    if (again) process.send('begun');
  };
  do await ATTACKS[attack](how);
  while (again && attacking);
  process.send('done');
});
process.send('ready');
