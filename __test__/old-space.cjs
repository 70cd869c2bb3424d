'use strict';

// Devices that come and go, and by how much V8's old space has grown by that, in bytes, as one line: what lies there is seldom collected.
//
//   node old-space.cjs PACKAGE

const { getHeapSpaceStatistics } = require('node:v8');
const { setImmediate: turn } = require('node:timers/promises');
const USBDaemon = require(process.argv[2]);

const WARM = 6_000;
const PAIRS = 8_000;

const used = () => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space').space_used_size;

async function main() {
  const config = { sources: ['simulated'], redis: false, monitoring: { enabled: false }, performance: { max_events_per_second: 0 } };
  const daemon = new USBDaemon(config);
  let heard = 0;
  daemon.on('device:attach', () => (heard += 1));
  daemon.on('device:detach', () => (heard += 1));
  await daemon.start();
  const comeAndGo = async (pairs) => {
    for (let pair = 0; pair < pairs; pair += 1) {
      const due = heard + 2;
      daemon.simulateAttach({ name: '200-1' });
      daemon.simulateDetach('200-1');
      while (heard < due) await turn();
    }
  };
  await comeAndGo(WARM);
  const before = used();
  await comeAndGo(PAIRS);
  process.stdout.write(`${used() - before}\n`);
  await daemon.stop();
}

main();
