'use strict';

// Watches and identifies devices, as one writes that for npm usb 2: the module it uses is its first argument. Prints a line
// for each event. On a line `list` it prints what is present, and on `leave` it takes its listeners off.

const { createInterface } = require('node:readline');
const { usb, getDeviceList, findByIds } = require(process.argv[2]);

const numbers = ({ busNumber, deviceAddress }) => `${busNumber}:${deviceAddress}`;

function described(device) {
  const { busNumber, deviceAddress, portNumbers, deviceDescriptor, configDescriptor, allConfigDescriptors, parent, interfaces } = device;
  return {
    names: Object.keys(device),
    ...{ busNumber, deviceAddress, portNumbers, deviceDescriptor, configDescriptor, allConfigDescriptors, interfaces },
    descriptorNames: Object.keys(deviceDescriptor),
    parent: parent && numbers(parent),
  };
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const attached = new Map();
usb.on('attach', (device) => {
  attached.set(numbers(device), device);
  print({ event: 'attach', ...described(device), same: getDeviceList().includes(device) });
});
usb.on('detach', (device) => {
  const { busNumber, deviceAddress, portNumbers, deviceDescriptor } = device;
  // Of one that was present before, there is no attach to compare with.
  const same = (attached.get(numbers(device)) ?? device) === device;
  print({ event: 'detach', busNumber, deviceAddress, portNumbers, deviceDescriptor, same, listed: getDeviceList().includes(device) });
});
for (const event of ['attachIds', 'detachIds']) usb.on(event, (ids) => print({ event, ...ids }));

const commands = {
  list() {
    const devices = getDeviceList();
    const inOrder = devices.map(described).sort((a, b) => a.busNumber - b.busNumber || a.deviceAddress - b.deviceAddress);
    const found = findByIds(0x0627, 0x0001);
    print({ event: 'list', devices: inOrder, found: found && numbers(found), known: getDeviceList().every((device) => devices.includes(device)) });
  },
  leave: () => usb.removeAllListeners('attach') && usb.removeAllListeners('detach'),
};
createInterface({ input: process.stdin }).on('line', (line) => commands[line]());
print({ event: 'ready' });
