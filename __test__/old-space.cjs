'use strict';

// Devices that come and go, and by how much V8's old space has grown by that, in bytes, as one line: what lies there is seldom collected.
//
//   node --expose-gc old-space.cjs PACKAGE

const { getHeapSpaceStatistics } = require('node:v8');
const USBDaemon = require(process.argv[2]);

const WARM = 3_000;
const PAIRS = 8_000;

const used = () => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space').space_used_size;

async function main() {
  const config = { sources: ['simulated'], redis: false, monitoring: { enabled: false }, performance: { max_events_per_second: 0 } };
  const daemon = new USBDaemon(config);
  let pairs = 0;
  let before;
  const comeAndGo = () => {
    daemon.simulateAttach({ name: '200-1' });
    daemon.simulateDetach('200-1');
  };
  daemon.dispatch(() => true, { onAttach() {} });
  // A device that stays for long: what the daemon has it in gets old.
  daemon.once('device:attach', () => globalThis.gc());
  daemon.on('device:detach', () => {
    pairs += 1;
    if (pairs === WARM) before = used();
    if (pairs < WARM + PAIRS) {
      comeAndGo();
      return;
    }
    process.stdout.write(`${used() - before}\n`);
    daemon.stop();
  });
  await daemon.start();
  comeAndGo();
}

main();
