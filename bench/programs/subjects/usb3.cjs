'use strict';

exports.start = ({ peers }, note) => {
  const { WebUSB } = require(`${peers}/usb3`);
  const usb = new WebUSB({ allowAllDevices: true });
  usb.addEventListener('connect', ({ device: { bus, address } }) => note(0, Number(bus), address));
  usb.addEventListener('disconnect', ({ device: { bus, address } }) => note(1, Number(bus), address));
};
