'use strict';

// The entry that the path wrote which this package takes the place of: the specification's fields.

const { createHash } = require('node:crypto');

/** Fields and values in a row, as XADD takes them, of a device of npm `usb` 2's. */
function entryOf(action, { busNumber, deviceAddress, deviceDescriptor, portNumbers = [] }, strings) {
  const signature = createHash('sha256').update(`${deviceDescriptor.idVendor}:${deviceDescriptor.idProduct}:${busNumber}:${deviceAddress}`).digest('hex').slice(0, 16);
  const fields = {
    source: 'node-usb',
    action,
    vendor_id: deviceDescriptor.idVendor.toString(16),
    product_id: deviceDescriptor.idProduct.toString(16),
    device_signature: signature,
    manufacturer: strings.iManufacturer || '',
    product: strings.iProduct || '',
    serial_number: strings.iSerialNumber || '',
    bus_number: String(busNumber),
    device_address: String(deviceAddress),
    port_path: portNumbers.join('.'),
    timestamp: String(Date.now()),
    device_descriptor: JSON.stringify(deviceDescriptor),
  };
  return Object.entries(fields).flat();
}

module.exports = { entryOf };
