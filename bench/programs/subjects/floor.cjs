'use strict';

// What an addon in C takes that does no more than it must (../floor.c). It makes of what it is called with what this checkout does, and emits it.

const { EventEmitter } = require('node:events');
const { calledWith } = require('../../../js/arguments.js');

exports.start = ({ addon }, note) => {
  const emitter = new EventEmitter();
  const connected = new Map();
  emitter.on('device:attach', ({ location }) => note(0, location.busNumber, location.deviceAddress));
  emitter.on('device:detach', ({ location }) => note(1, location.busNumber, location.deviceAddress));
  const handle = (notice) => {
    if (notice.type === 'attach') {
      connected.set(notice.info.signature, notice.info);
      emitter.emit('device:attach', notice.info);
    } else {
      const left = { ...connected.get(notice.signature), ...notice.changes };
      connected.delete(notice.signature);
      emitter.emit('device:detach', left);
    }
  };
  require(addon)(calledWith(handle));
};
