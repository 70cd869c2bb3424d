'use strict';

// Stands still for ten seconds, with the event loop blocked, while a daemon takes 20,000 events; then prints what its listeners
// and an iterator got, as one line of JSON, once there are so many or a gap has been told. Its argument is the daemon's outbox.

const USBDaemon = require('../..');

const PAIRS = 10_000;
const BLOCKED_MS = 10_000;
/** What comes within a millisecond comes from no bus. */
const SLICE = 500;

const daemon = new USBDaemon({
  sources: ['simulated'],
  redis: false,
  monitoring: { enabled: false },
  performance: { max_events_per_second: 0 },
  outbox: JSON.parse(process.argv[2]),
});

/** The ports are told in their order, which is not that of their names. */
function portOf(at) {
  return `201-1.${1 + ((at * 7) % 100)}`;
}

function shown(type, { deviceSignature, eventId, location, timestamp }) {
  return { type, seq: Number(eventId.split(':')[1]), port: location.portPath, signature: deviceSignature, timestamp };
}

(async () => {
  const listened = [];
  const iterated = [];
  const gaps = [];
  let unblocked;
  let early = 0;
  const tell = (type) => (info) => {
    if (unblocked === undefined) early += 1;
    listened.push(shown(type, info));
  };
  daemon.on('device:attach', tell('attach')).on('device:detach', tell('detach'));
  const missing = new AbortController();
  daemon.on('gap', (gap) => {
    gaps.push(gap);
    missing.abort(gap);
  });
  await daemon.start();
  const events = daemon.events({ signal: missing.signal });
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let at = 0; at < PAIRS; at += 1) {
    daemon.simulateAttach({ name: portOf(at) });
    daemon.simulateDetach(portOf(at));
    if (at % SLICE === SLICE - 1) Atomics.wait(nobody, 0, 0, (BLOCKED_MS * SLICE) / PAIRS);
  }
  unblocked = Date.now();
  for await (const { type, device } of events) {
    iterated.push(shown(type, device));
    if (iterated.length === PAIRS * 2) break;
  }
  await daemon.stop();
  process.stdout.write(`${JSON.stringify({ listened, iterated, gaps, unblocked, early })}\n`);
})();
