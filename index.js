'use strict';

const { USBDaemon } = require('./js/daemon.js');
const { USBEventConsumer } = require('./js/consumer.js');
const { USBEventPublisher } = require('./js/event-publisher.js');
const { createUSBDaemon } = require('./js/create.js');
const { defaultConfig } = require('./js/config.js');
const { startTelemetry } = require('./js/current-telemetry.js');
const { setLogLevel } = require('./js/log-level.js');
const { isSameUnit } = require('./js/same-unit.js');
const { tracingOf } = require('./js/tracing.js');

// Both `require(…)` itself and its property are the class: AutoWeave's documents use either.
module.exports = Object.assign(USBDaemon, {
  USBDaemon,
  USBEventConsumer,
  USBEventPublisher,
  createUSBDaemon,
  default: USBDaemon,
  defaultConfig,
  isSameUnit,
  initializeTracing: tracingOf(setLogLevel, startTelemetry),
});
