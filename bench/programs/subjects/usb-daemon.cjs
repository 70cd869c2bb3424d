'use strict';

// This package. `published: true`: an event counts once Redis has acknowledged its entry. What is present at start is no event.

const { USBDaemon } = require('../../package.cjs');

exports.start = async ({ config, published = false }, note) => {
  const daemon = new USBDaemon(config);
  const gaps = [];
  daemon.on('gap', (gap) => gaps.push(gap));
  await daemon.start();
  if (published) {
    daemon.on('event:published', ({ action, device: { location, synthetic } }) => {
      if (synthetic !== 'startup') note(action === 'attach' ? 0 : 1, location.busNumber, location.deviceAddress);
    });
  } else {
    daemon.on('device:attach', ({ location }) => note(0, location.busNumber, location.deviceAddress));
    daemon.on('device:detach', ({ location }) => note(1, location.busNumber, location.deviceAddress));
  }
  exports.stop = () => daemon.stop();
  exports.health = () => daemon.getHealth();
  exports.gaps = () => gaps;
  exports.devices = () => daemon.getConnectedDevices().map(({ location }) => [location.busNumber, location.deviceAddress]);
};
