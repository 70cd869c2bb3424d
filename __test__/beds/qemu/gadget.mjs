// Gadgets: devices that the guest's own kernel makes of configfs and plugs into dummy_hcd, so that both ends of the cable are in one guest.

const tree = '/sys/kernel/config/usb_gadget'
const english = 'strings/0x409'
/** Multifunction, whose interfaces are joined by associations. */
const composite = { bDeviceClass: 0xef, bDeviceSubClass: 2, bDeviceProtocol: 1 }

/** The report descriptor of a keyboard with a boot keyboard's 8 bytes of input. */
const keyboardReport = Buffer.from('05010906a101050719e029e71500250175019508810295017508810395067508150025650507190029658100c0', 'hex')

/**
 * What a gadget can be made of: configfs's name of each function, its module, what is written into its folder. Sound beyond MIDI is not among them:
 * dummy_hcd has no isochronous endpoints.
 */
const functions = {
  acm: { module: 'usb_f_acm' },
  ecm: { module: 'usb_f_ecm' },
  ncm: { module: 'usb_f_ncm' },
  midi: { module: 'usb_f_midi' },
  hid: { module: 'usb_f_hid', attributes: () => ({ protocol: 1, subclass: 1, report_length: 8, report_desc: keyboardReport }) },
  mass_storage: {
    module: 'usb_f_mass_storage',
    prepare: (folder) => `truncate -s 1M /tmp/${folder}.disk`,
    attributes: (folder) => ({ 'lun.0/file': `/tmp/${folder}.disk` }),
  },
}

export class Gadgets {
  /** One gadget each: dummy_hcd's controllers have one port. */
  static ports = 4
  static controller = 'dummy_hcd'

  #run
  #loadModule
  #plugged = new Map()
  #nextId = 1

  /** `run` carries out a shell command in the guest, or fails. */
  constructor({ run, loadModule }) {
    this.#run = run
    this.#loadModule = loadModule
  }

  async load() {
    await this.#loadModule(`dummy_hcd num=${Gadgets.ports}`, ...Object.values(functions).map(({ module }) => module))
    await this.#run('mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config')
  }

  /**
   * Resolves once the controller has the gadget. `functions` are names of those above, in the order of their interfaces; `strings` are manufacturer, product and
   * serial number, as far as there are any; `controller` is one that is free where it matters which.
   */
  async plug({ functions: names, strings = [], vid = 0x1d6b, pid = 0x0104, controller = this.#free() }) {
    const unknown = names.find((name) => !Object.hasOwn(functions, name))
    if (unknown) throw new Error(`no function ${unknown}; there are ${Object.keys(functions).join(', ')}`)
    if ([...this.#plugged.values()].includes(controller)) throw new Error(`${Gadgets.controller}.${controller} has a gadget`)
    const folder = `gadget${this.#nextId++}`
    const handle = { id: folder, kind: 'gadget', controller: `${Gadgets.controller}.${controller}`, port: '1', serial: strings[2] }
    // Before anything is waited for: the controller is taken.
    this.#plugged.set(handle.id, controller)
    const text = Object.fromEntries(['manufacturer', 'product', 'serialnumber'].map((name, at) => [`${english}/${name}`, strings[at]]))
    await this.#run([
      'set -e',
      ...names.flatMap((name) => functions[name].prepare?.(folder) ?? []),
      `mkdir ${tree}/${folder} && cd ${tree}/${folder}`,
      `mkdir ${english} configs/c.1`,
      ...written({ idVendor: vid, idProduct: pid, ...composite, ...text }),
      ...names.flatMap((name, at) => [
        `mkdir functions/${name}.${at}`,
        ...written(functions[name].attributes?.(folder) ?? {}, `functions/${name}.${at}/`),
        `ln -s functions/${name}.${at} configs/c.1/${at}`,
      ]),
      `echo dummy_udc.${controller} >UDC`,
    ].join('\n')).catch(async (error) => {
      // What was made of it may be too little to be taken to pieces.
      await this.unplug(handle).catch(() => this.#plugged.delete(handle.id))
      throw error
    })
    return handle
  }

  /** Pulls it, and takes it to pieces. Twice is allowed. */
  async unplug(handle) {
    if (!this.#plugged.has(handle.id)) return
    await this.#run([
      'set -e',
      `cd ${tree}/${handle.id}`,
      '[ -z "$(cat UDC)" ] || echo >UDC',
      // The hub finds that out by and by, and the next one on this controller is not to be taken for this one.
      `while ls -d /sys/devices/platform/${handle.controller}/usb*/*-${handle.port} >/dev/null 2>&1; do sleep 0.05; done`,
      `find configs/c.1 -type l -exec rm {} +`,
      `rmdir configs/c.1 functions/* ${english}`,
      `cd / && rmdir ${tree}/${handle.id}`,
      `rm -f /tmp/${handle.id}.disk`,
    ].join('\n'))
    this.#plugged.delete(handle.id)
  }

  /** Tells the handle's device in a ledger entry. */
  matcher({ controller, port }, ledger) {
    const hub = new RegExp(`^/devices/platform/${controller.replaceAll('.', '\\.')}/usb\\d+$`)
    const rootHub = ledger.uevents().find(({ devpath }) => hub.test(devpath))
    return ({ devpath }) => devpath === `${rootHub.devpath}/${rootHub.busnum}-${port}`
  }

  #free() {
    const taken = [...this.#plugged.values()]
    const free = Array.from({ length: Gadgets.ports }, (_, at) => at).find((at) => !taken.includes(at))
    if (free === undefined) throw new Error(`all ${Gadgets.ports} ports of ${Gadgets.controller} have a gadget`)
    return free
  }
}

/** Commands that write attributes: text and numbers as they are, bytes in dash's octal. */
function written(attributes, folder = '') {
  return Object.entries(attributes).filter(([, value]) => value !== undefined).map(([name, value]) => {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(`${value}`)
    const octal = Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
    return `printf '${octal}' >${folder}${name}`
  })
}
