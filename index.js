'use strict';

const { USBDaemon } = require('./js/daemon.js');
const { USBEventConsumer } = require('./js/consumer.js');
const { USBEventPublisher } = require('./js/event-publisher.js');
const { defaultConfig } = require('./js/config.js');

// Both `require(…)` itself and its property are the class: AutoWeave's documents use either.
module.exports = Object.assign(USBDaemon, {
  USBDaemon,
  USBEventConsumer,
  USBEventPublisher,
  default: USBDaemon,
  defaultConfig,
});
