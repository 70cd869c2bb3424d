// Devices as the addon's list has them.

/** One of them, like any other but for what is said. */
export function listed({ bus = 1, address = 2, portPath = '1', vendorId = 0x1234, productId = 0x5678, ...rest } = {}) {
  const deviceDescriptor = { bLength: 18, bcdUSB: 0x0200, idVendor: vendorId, idProduct: productId, iManufacturer: 1, iProduct: 2, iSerialNumber: 3 };
  return { vendorId, productId, deviceDescriptor, location: { busNumber: bus, deviceAddress: address, portPath }, ...rest };
}
