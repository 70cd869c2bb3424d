// Devices with descriptors of the test's choice: guest/synthetic.c at the far end of vhci_hcd.

const program = '/run/bed/synthetic'
const speeds = { low: 1, full: 2, high: 3, super: 5 }
const kind = { device: 1, configuration: 2, string: 3 }
const englishUs = Buffer.from([4, kind.string, 0x09, 0x04])

// One vendor-specific interface without endpoints: no driver takes it.
const plainConfiguration = '0902120001010080320904000000ff000000'

/**
 * Describes a device to guest/synthetic.c.
 *
 * `configurations` and `bos` are hex and go out as they are, whatever they claim about their length. `strings[0]` is string descriptor 1: an array of UTF-16
 * code units, a string, `{ raw: hex }` for a malformed descriptor, or null for a stall. manufacturer, product and serial default to 1, 2 and 3 as far as
 * there are such strings. `raw` (hex) replaces the device descriptor made of the fields. `report` (hex) is the report descriptor of its HID interfaces; `stalls` are
 * requests that it refuses, each bmRequestType and bRequest in hex.
 */
export function describeDevice({ deviceDescriptor = {}, configurations = [plainConfiguration], strings = [], speed = 'high', bos = '', report = '', stalls = [] } = {}) {
  if (!(speed in speeds)) throw new Error(`no speed ${speed}; there are ${Object.keys(speeds).join(', ')}`)
  const device = deviceDescriptor.raw ?? deviceBytes(deviceDescriptor, { configurations, strings, speed }).toString('hex')
  return [
    `speed ${speeds[speed]}`,
    `device ${device}`,
    ...configurations.map((hex) => `config ${hex}`),
    ...(bos ? [`bos ${bos}`] : []),
    ...(report ? [`report ${report}`] : []),
    ...stalls.map((request) => `stall ${request}`),
    ...(strings.length ? [`string ${englishUs.toString('hex')}`] : []),
    ...strings.map((string) => `string ${stringBytes(string).toString('hex')}`),
    'plug',
  ].join('\n')
}

function deviceBytes(fields, { configurations, strings, speed }) {
  const index = (position) => (strings.length >= position ? position : 0)
  const bytes = Buffer.alloc(18)
  bytes.writeUInt8(fields.bLength ?? 18, 0)
  bytes.writeUInt8(fields.bDescriptorType ?? kind.device, 1)
  bytes.writeUInt16LE(fields.bcdUSB ?? (speed === 'super' ? 0x0300 : 0x0200), 2)
  bytes.writeUInt8(fields.bDeviceClass ?? 0, 4)
  bytes.writeUInt8(fields.bDeviceSubClass ?? 0, 5)
  bytes.writeUInt8(fields.bDeviceProtocol ?? 0, 6)
  // SuperSpeed gives a power of two.
  bytes.writeUInt8(fields.bMaxPacketSize0 ?? { low: 8, full: 64, high: 64, super: 9 }[speed], 7)
  bytes.writeUInt16LE(fields.vid ?? fields.idVendor ?? 0x1209, 8)
  bytes.writeUInt16LE(fields.pid ?? fields.idProduct ?? 0x0001, 10)
  bytes.writeUInt16LE(fields.bcdDevice ?? 0x0100, 12)
  bytes.writeUInt8(fields.iManufacturer ?? index(1), 14)
  bytes.writeUInt8(fields.iProduct ?? index(2), 15)
  bytes.writeUInt8(fields.iSerialNumber ?? index(3), 16)
  bytes.writeUInt8(fields.bNumConfigurations ?? configurations.length, 17)
  return bytes
}

function stringBytes(string) {
  if (string === null) return Buffer.alloc(0)
  if (string.raw !== undefined) return Buffer.from(string.raw, 'hex')
  const units = typeof string === 'string' ? Array.from({ length: string.length }, (_, at) => string.charCodeAt(at)) : string
  if (units.length > 126) throw new Error(`a string descriptor holds 126 UTF-16 units, not ${units.length}; use { raw }`)
  return Buffer.from([2 + 2 * units.length, kind.string, ...units.flatMap((unit) => [unit & 0xff, unit >> 8])])
}

export class SyntheticDevices {
  #spawn
  #processes = new Map()
  #nextId = 1

  constructor(spawn) {
    this.#spawn = spawn
  }

  /** Resolves once vhci_hcd has taken the device. */
  async plug(description) {
    const device = this.#spawn([program], { cwd: '/' })
    device.write(describeDevice(description))
    const { value: answer } = await device.stdout.next()
    if (answer === undefined) {
      await device.exit
      throw new Error(`no synthetic device: ${device.stderrText().trim()}`)
    }
    const [, , controller, port] = answer.split(' ')
    const serial = typeof description?.strings?.[2] === 'string' ? description.strings[2] : undefined
    const handle = { id: `synthetic${this.#nextId++}`, kind: 'synthetic', controller: `vhci_hcd.${controller}`, port, serial }
    this.#processes.set(handle.id, { device, superSpeed: description?.speed === 'super' })
    return handle
  }

  /** The device hangs up, and the kernel takes that for unplugging. */
  async unplug(handle) {
    const entry = this.#processes.get(handle.id)
    if (!entry) return
    this.#processes.delete(handle.id)
    entry.device.endInput()
    await entry.device.exit
  }

  /** Tells the handle's device in a ledger entry. A vhci controller's two buses number their ports alike; the root hubs tell which is SuperSpeed. */
  matcher(handle, ledger) {
    const { superSpeed } = this.#processes.get(handle.id)
    const hub = new RegExp(`^/devices/platform/${handle.controller.replaceAll('.', '\\.')}/usb(\\d+)$`)
    const rootHub = ledger.uevents().find(({ devpath, product }) => hub.test(devpath) && product.startsWith('1d6b/3/') === superSpeed)
    return ({ devpath }) => devpath === `${rootHub.devpath}/${rootHub.busnum}-${handle.port}`
  }
}
