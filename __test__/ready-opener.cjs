'use strict';

// A host process for the addon: at each `device:ready` it has every node opened at once, by somebody with no right but that of the node's group
// (where the group has none, the owner's), and prints what came of it. Runs as root in the virtual machine.

const { spawnSync } = require('node:child_process');
const { createInterface } = require('node:readline');
const USBDaemon = require('..');

const NOBODY = 65534;
const HUB = 9;
const GROUP_MAY_READ = 0o040;
const OWNER_MAY_READ = 0o400;

const { config } = JSON.parse(process.argv[2]);
const daemon = new USBDaemon(config);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Undefined where it could be opened, else why it could not. */
function failureOf({ path, mode, uid, gid }) {
  const asGroup = (mode & GROUP_MAY_READ) !== 0;
  if (!asGroup && (mode & OWNER_MAY_READ) === 0) return `nobody may read it: ${mode.toString(8)}`;
  const whom = asGroup ? { uid: NOBODY, gid } : { uid, gid: NOBODY };
  const { status, stderr, error } = spawnSync('dd', [`if=${path}`, 'of=/dev/null', 'count=0', 'iflag=nonblock', 'status=none'], whom);
  return status === 0 ? undefined : String(error ?? stderr);
}

daemon.on('device:ready', (value) => {
  // Hubs are nobody's to open, and a bed has dozens.
  const nodes = value.device.deviceDescriptor.bDeviceClass === HUB ? [] : value.nodes;
  const opened = nodes.filter(({ path }) => path).map((node) => ({ path: node.path, failure: failureOf(node) }));
  print({ event: 'device:ready', value, opened });
});
for (const event of ['device:attach', 'device:detach', 'error']) daemon.on(event, (value) => print({ event, value: value.message ?? value }));

const commands = { start: () => daemon.start(), stop: () => daemon.stop() };
createInterface({ input: process.stdin }).on('line', async (line) => {
  const { command } = JSON.parse(line);
  await commands[command]();
  print({ answer: command, value: null });
});
print({ event: 'ready' });
