'use strict';

// What the addon calls with for an event: each value has its place, in the order of `src/arguments.rs`, and is null where a notice has none.

function interfaceOf(code) {
  return { class: code >> 16, subclass: (code >> 8) & 0xff, protocol: code & 0xff };
}

/**
 * What the addon is to call. Each value is a parameter: that an array is made of them, and taken apart again, takes its time (docs/adr/0002).
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
    // Class, subclass and protocol in one number each.
    ...interfaces
  ) => {
    if (vendorId === undefined) {
      pump(type);
      return;
    }
    if (type === 'left') {
      handle({ type, signature, changes: { timestamp, eventId, backend, synthetic } });
      return;
    }
    if (type === 'injected') {
      handle({ type, ticket });
      return;
    }
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
    handle(type === 'attach' ? { type, info } : { type, eventId, streamId, action, device: info });
  };
}

module.exports = { calledWith };
