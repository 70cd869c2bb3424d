'use strict';

const { USBDaemon } = require('./daemon.js');

/** A daemon that has started. */
async function createUSBDaemon(config) {
  const daemon = new USBDaemon(config);
  await daemon.start();
  return daemon;
}

module.exports = { createUSBDaemon };
