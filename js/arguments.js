'use strict';

// What the addon calls with for an event: each value has its place, in the order of `src/arguments.rs`, and is null where a notice has none.

/** @param {number[]} interfaces class, subclass and protocol in one number each */
function deviceOf(
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
  interfaces,
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

/**
 * What the addon is to call. Each value is a parameter: gathered in an array, and taken apart again, an attach took a fifteenth longer.
 *
 * @param handle is given the notice for which it is called
 * @param pump is given notices as a text, which is the only argument then
 */
function calledWith(handle, pump) {
  return (
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
    action,
    streamId,
    ticket,
    ...interfaces
  ) => {
    switch (type) {
      case 'attach':
      case 'published': {
        const device = deviceOf(
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
          interfaces,
        );
        handle(type === 'attach' ? { type, info: device } : { type, eventId, streamId, action, device });
        break;
      }
      case 'left':
        handle({ type, signature, changes: { timestamp, eventId, backend, synthetic } });
        break;
      case 'injected':
        handle({ type, ticket });
        break;
      default:
        pump(type);
    }
  };
}

module.exports = { calledWith };
