'use strict';

const { NativeEventPublisher } = require('./native.js');
const { redisConfiguration } = require('./config.js');
const { answered, jsonOf } = require('./failure.js');

class USBEventPublisher {
  #native;

  constructor(redis = {}) {
    this.#native = new NativeEventPublisher(jsonOf(redisConfiguration(redis), 'ERR_USB_CONFIG', 'the configuration'));
  }

  async publishUSBEvent(action, info) {
    return answered(this.#native.publish(String(action), jsonOf(info, 'ERR_USB_DEVICE', 'the device info')));
  }

  async getRecentEvents(count = 10) {
    if (!Number.isInteger(count) || count < 0 || count > 0xffffffff) {
      throw new RangeError(`count is ${count}: expected a whole number from 0`);
    }
    return answered(this.#native.recent(count));
  }

  async createConsumerGroup(groupName) {
    if (typeof groupName !== 'string' || groupName === '') {
      throw new TypeError('createConsumerGroup takes the name of a group');
    }
    await answered(this.#native.makeGroup(groupName));
  }

  close() {
    return this.#native.close();
  }
}

module.exports = { USBEventPublisher };
