'use strict';

// What the addon calls with for an event, in the order of `src/arguments.rs`.

/**
 * The device of a notice, given all of the notice's values.
 *
 * @param {number[]} interfaces class, subclass and protocol in one number each
 */
function deviceOf(
  type,
  vendorId,
  productId,
  bLength,
  bDescriptorType,
  bcdUSB,
  bDeviceClass,
  bDeviceSubClass,
  bDeviceProtocol,
  bMaxPacketSize0,
  idVendor,
  idProduct,
  bcdDevice,
  iManufacturer,
  iProduct,
  iSerialNumber,
  bNumConfigurations,
  serialNumber,
  manufacturer,
  product,
  vendorName,
  productName,
  busNumber,
  deviceAddress,
  portPath,
  timestamp,
  signature,
  attachedAt,
  eventId,
  stableId,
  identity,
  capabilities,
  speed,
  maxMilliamps,
  selfPowered,
  remoteWakeup,
  backend,
  synthetic,
  partial,
  ...interfaces
) {
  const info = {
    vendorId,
    productId,
    deviceDescriptor: {
      bLength,
      bDescriptorType,
      bcdUSB,
      bDeviceClass,
      bDeviceSubClass,
      bDeviceProtocol,
      bMaxPacketSize0,
      idVendor,
      idProduct,
      bcdDevice,
      iManufacturer,
      iProduct,
      iSerialNumber,
      bNumConfigurations,
    },
  };
  // What a device has not is absent.
  if (serialNumber !== null) info.serialNumber = serialNumber;
  if (manufacturer !== null) info.manufacturer = manufacturer;
  if (product !== null) info.product = product;
  if (vendorName !== null) info.vendorName = vendorName;
  if (productName !== null) info.productName = productName;
  info.location = { busNumber, deviceAddress, portPath };
  info.timestamp = timestamp;
  info.signature = signature;
  info.attachedAt = attachedAt;
  info.eventId = eventId;
  info.stableId = stableId;
  info.identity = identity;
  // In place: what an event leaves behind is to be collected.
  for (let at = 0; at < interfaces.length; at += 1) interfaces[at] = interfaceOf(interfaces[at]);
  info.interfaces = interfaces;
  // Words without commas.
  info.capabilities = capabilities === '' ? [] : capabilities.split(',');
  if (speed !== null) info.speed = speed;
  if (maxMilliamps !== null) info.power = { selfPowered, remoteWakeup, maxMilliamps };
  info.backend = backend;
  if (synthetic !== null) info.synthetic = synthetic;
  info.partial = partial;
  return info;
}

function interfaceOf(code) {
  return { class: code >> 16, subclass: (code >> 8) & 0xff, protocol: code & 0xff };
}

function left(type, signature, timestamp, eventId, backend, synthetic) {
  return { type, signature, changes: { timestamp, eventId, backend, synthetic } };
}

/** The notice that they stand for, the first of them being its type. */
function noticeOf(given) {
  switch (given[0]) {
    case 'attach':
      return { type: 'attach', info: Reflect.apply(deviceOf, undefined, given) };
    case 'published': {
      const [action, streamId] = given.splice(1, 2);
      const device = Reflect.apply(deviceOf, undefined, given);
      return { type: 'published', eventId: device.eventId, streamId, action, device };
    }
    case 'left':
      return Reflect.apply(left, undefined, given);
    case 'injected':
      return { type: 'injected', ticket: given[1] };
  }
}

module.exports = { noticeOf };
