// Objects as the npm package `usb` gives them.

/** A device of node-usb's; `overrides` replace its properties, those of `descriptor` its descriptor's. */
export function usbObject(overrides = {}, descriptor = {}) {
  return {
    busNumber: 1,
    deviceAddress: 7,
    portNumbers: [4, 2],
    deviceDescriptor: {
      bLength: 18,
      bDescriptorType: 1,
      bcdUSB: 0x0210,
      bDeviceClass: 0,
      bDeviceSubClass: 0,
      bDeviceProtocol: 0,
      bMaxPacketSize0: 64,
      idVendor: 0x04a9,
      idProduct: 0x220e,
      bcdDevice: 0x0100,
      iManufacturer: 0,
      iProduct: 0,
      iSerialNumber: 0,
      bNumConfigurations: 1,
      ...descriptor,
    },
    ...overrides,
  };
}

/** One that says its strings when `say(index)` is called, and remembers what was done to it. */
export function speakingObject(strings, overrides = {}) {
  const done = [];
  const waiting = new Map();
  const device = usbObject(
    {
      open: () => done.push('open'),
      close: () => done.push('close'),
      getStringDescriptor: (index, callback) => {
        done.push(`ask ${index}`);
        waiting.set(index, callback);
      },
      ...overrides,
    },
    { iManufacturer: 1, iProduct: 2, iSerialNumber: 3 },
  );
  const say = (index, text = strings[index]) => waiting.get(index)(undefined, text);
  return { device, done, say, sayAll: () => Object.keys(strings).forEach((index) => say(Number(index))) };
}
