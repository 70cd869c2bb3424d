// What each kind of device is: the same IDs, strings and interfaces as the devices that QEMU emulates.

const KINDS = {
  keyboard: {
    vendor_id: 0x0627,
    product_id: 0x0001,
    product: 'QEMU USB Keyboard',
    serial: '68284',
    interfaces: ['03/01/01'],
  },
  mouse: {
    vendor_id: 0x0627,
    product_id: 0x0001,
    product: 'QEMU USB Mouse',
    serial: '89126',
    interfaces: ['03/01/02'],
  },
  tablet: {
    vendor_id: 0x0627,
    product_id: 0x0001,
    product: 'QEMU USB Tablet',
    serial: '28754',
    interfaces: ['03/00/00'],
  },
  storage: {
    vendor_id: 0x46f4,
    product_id: 0x0001,
    product: 'QEMU USB HARDDRIVE',
    serial: '1',
    interfaces: ['08/06/50'],
  },
  serial: {
    vendor_id: 0x0403,
    product_id: 0x6001,
    bcd_device: 0x0400,
    product: 'QEMU USB SERIAL',
    serial: '1',
    speed: '12',
    interfaces: ['ff/ff/ff'],
  },
  hub: {
    vendor_id: 0x0409,
    product_id: 0x55aa,
    bcd_device: 0x0101,
    product: 'QEMU USB Hub',
    serial: '314159',
    speed: '12',
    class: '09/00/00',
    interfaces: ['09/00/00'],
  },
}

/** The kernel's name for a port: controller 0, port `1.2` is `1-1.2`. */
export const deviceName = (controller, port) => `${controller + 1}-${port}`

/**
 * Splits what a test says about a device into its place and the fields of a control request.
 * A `kind` fills in what is not said; without one, all is taken as it stands.
 */
export function describeDevice({ kind, controller = 0, port = '1', id, ...custom }) {
  const known = kind === undefined ? {} : KINDS[kind]
  if (!known) throw new TypeError(`no kind of device is called ${kind}; there are ${Object.keys(KINDS).join(', ')}`)
  const slot = (controller + 1).toString(16).padStart(2, '0')
  const fields = kind === undefined ? {} : { manufacturer: 'QEMU', ...known, serial: `${known.serial}-0000:00:${slot}.0-${port}` }
  const said = Object.entries(custom).filter(([, value]) => value !== undefined)
  const name = deviceName(controller, port)
  return { place: { id: id ?? name, kind, controller, port: String(port), name }, fields: { ...fields, ...Object.fromEntries(said) } }
}
