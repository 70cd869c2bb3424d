'use strict';

const { NativeEventPublisher } = require('./native.js');
const { redisConfiguration } = require('./config.js');

async function answered(asked) {
  const { value, code, message } = JSON.parse(await asked);
  if (code !== undefined) throw Object.assign(new Error(message), { code });
  return value;
}

class USBEventPublisher {
  #native;

  constructor(redis = {}) {
    this.#native = new NativeEventPublisher(JSON.stringify(redisConfiguration(redis)));
  }

  async publishUSBEvent(action, info) {
    return answered(this.#native.publish(String(action), JSON.stringify(info) ?? 'null'));
  }

  async getRecentEvents(count = 10) {
    if (!Number.isInteger(count) || count < 0 || count > 0xffffffff) {
      throw new RangeError(`count is ${count}: expected a whole number from 0`);
    }
    return answered(this.#native.recent(count));
  }

  async createConsumerGroup(groupName) {
    await answered(this.#native.makeGroup(String(groupName)));
  }

  close() {
    return this.#native.close();
  }
}

module.exports = { USBEventPublisher };
