'use strict';

// What a daemon does when it is asked to. Read behind a start, which does not wait for it, or with the first call that needs some of it.

const { readDevice, readIdentity } = require('./device-reading.js');
const { Dispatch } = require('./dispatch.js');
const { EventStream } = require('./event-stream.js');
const { sinceOf } = require('./history.js');
const { deviceMatch } = require('./match.js');
const { optionsOf } = require('./options.js');
const { waitForDevice, waitForReady } = require('./waiting.js');

module.exports = { Dispatch, EventStream, deviceMatch, optionsOf, readDevice, readIdentity, sinceOf, waitForDevice, waitForReady };
