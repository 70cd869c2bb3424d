'use strict';

const { USBDaemon } = require('./js/daemon.js');
const { defaultConfig } = require('./js/config.js');

// Both `require(…)` itself and its property are the class: AutoWeave's documents use either.
module.exports = Object.assign(USBDaemon, { USBDaemon, default: USBDaemon, defaultConfig });
