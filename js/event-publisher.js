'use strict';

const { NativeEventPublisher } = require('./native.js');
const { redisConfiguration } = require('./config.js');
const { shown } = require('./device-values.js');
const { answered, badArgument, jsonOf } = require('./failure.js');

class USBEventPublisher {
  #native;

  constructor(redis = {}) {
    this.#native = new NativeEventPublisher(jsonOf(redisConfiguration(redis), 'ERR_USB_CONFIG', 'the configuration'));
  }

  async publishUSBEvent(action, info) {
    if (typeof action !== 'string') throw badArgument(`action is ${shown(action)}: expected 'attach' or 'detach'`);
    return answered(this.#native.publish(action, jsonOf(info, 'ERR_USB_DEVICE', 'the device info')));
  }

  async getRecentEvents(count = 10) {
    if (!Number.isInteger(count) || count < 0 || count > 0xffffffff) {
      const error = new RangeError(`count is ${shown(count)}: expected a whole number from 0 to ${0xffffffff}`);
      throw Object.assign(error, { code: 'ERR_USB_ARGUMENT' });
    }
    return answered(this.#native.recent(count));
  }

  async createConsumerGroup(groupName) {
    if (typeof groupName !== 'string' || groupName === '') {
      throw badArgument(`groupName is ${shown(groupName)}: expected the name of a group`);
    }
    await answered(this.#native.makeGroup(groupName));
  }

  close() {
    return this.#native.close();
  }
}

module.exports = { USBEventPublisher };
