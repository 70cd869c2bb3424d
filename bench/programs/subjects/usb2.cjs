'use strict';

exports.start = ({ peers }, note) => {
  const { usb } = require(`${peers}/usb2`);
  usb.on('attach', ({ busNumber, deviceAddress }) => note(0, busNumber, deviceAddress));
  usb.on('detach', ({ busNumber, deviceAddress }) => note(1, busNumber, deviceAddress));
};
