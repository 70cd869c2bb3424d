'use strict';

// On Linux its locationId is the bus number.

exports.start = ({ peers }, note) => {
  const detector = require(`${peers}/usb-detection`);
  detector.on('add', ({ locationId, deviceAddress }) => note(0, locationId, deviceAddress));
  detector.on('remove', ({ locationId, deviceAddress }) => note(1, locationId, deviceAddress));
  detector.startMonitoring();
  exports.stop = () => detector.stopMonitoring();
};
