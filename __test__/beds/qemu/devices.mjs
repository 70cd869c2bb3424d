// QEMU's emulated USB devices: plugging and unplugging them.

import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { controllerAddress, silence } from './machine.mjs'

const drivers = {
  keyboard: 'usb-kbd', mouse: 'usb-mouse', tablet: 'usb-tablet', pen: 'usb-wacom-tablet', braille: 'usb-braille', storage: 'usb-storage', bulkOnly: 'usb-bot', uas: 'usb-uas',
  serial: 'usb-serial', network: 'usb-net', audio: 'usb-audio', mtp: 'usb-mtp', smartcard: 'usb-ccid', hub: 'usb-hub',
}
const hubPorts = 8
const diskBytes = 8 * 1024 * 1024
const releaseDeadlineMs = 10_000
/** What a media player shows, which may be anything: it can only be read. */
const sharedFolder = fileURLToPath(new URL('guest', import.meta.url))

export class Devices {
  #qmp
  #plugged = new Map()
  #nextId = 1

  constructor(qmp) {
    this.#qmp = qmp
  }

  async plug({ kind, controller = 0, port, serial }) {
    const driver = drivers[kind]
    if (!driver) throw new Error(`no device kind ${kind}; there are ${Object.keys(drivers).join(', ')}`)
    if (!/^\d+(\.\d+)*$/.test(String(port))) throw new Error(`port ${port} is not like '1' or '1.2'`)
    const id = `${kind}${this.#nextId++}`
    const handle = { id, kind, controller, port: String(port), serial }
    const backend = await this.#addBackend(kind, id)
    const properties = { driver, id, bus: `xhci${controller}.0`, port: handle.port, ...backend.properties }
    if (serial !== undefined) properties.serial = serial
    if (kind === 'hub') properties.ports = hubPorts
    const deleted = this.#qmp.deletionOf(id)
    // Reported to whoever unplugs; a machine that is closed with the device in it concerns nobody.
    deleted.catch(() => {})
    try {
      await this.#qmp.execute('device_add', properties)
      // These wait for their disks, which come one by one.
      if (kind === 'bulkOnly' || kind === 'uas') await this.#qmp.execute('qom-set', { path: `/machine/peripheral/${id}`, property: 'attached', value: true })
    } catch (error) {
      await backend.remove()
      throw error
    }
    this.#plugged.set(id, { handle, deleted, backend })
    return handle
  }

  /** Unplugging a hub takes along what hangs on it, as a hand would. Twice is allowed. */
  async unplug(handle) {
    if (!this.#plugged.has(handle.id)) return
    const leaving = [...this.#plugged.values()].filter(({ handle: other }) => {
      return other === handle || (other.controller === handle.controller && other.port.startsWith(`${handle.port}.`))
    })
    for (const { handle: other } of leaving) this.#plugged.delete(other.id)
    await this.#qmp.execute('device_del', { id: handle.id })
    await Promise.all(leaving.map(({ deleted }) => deleted))
    await Promise.all(leaving.map(({ backend }) => backend.remove()))
  }

  /** Tells the handle's device in a sysfs path: the controller's PCI address and the ports, whichever of its two buses it is on. */
  static pathPattern({ controller, port }) {
    const dots = port.replaceAll('.', '\\.')
    return new RegExp(`^/devices/pci0000:00/${controllerAddress(controller)}/usb(\\d+)/(?:.*/)?\\1-${dots}$`)
  }

  async #addBackend(kind, id) {
    if (kind === 'storage') {
      const node = `${id}-disk`
      await this.#qmp.execute('blockdev-add', { driver: 'null-co', 'node-name': node, size: diskBytes, 'read-zeroes': true })
      return { properties: { drive: node }, remove: () => this.#release('blockdev-del', { 'node-name': node }) }
    }
    if (kind === 'serial' || kind === 'braille') {
      const chardev = `${id}-line`
      // A braille display is there while its line is open, which a null one never is.
      await this.#qmp.execute('chardev-add', { id: chardev, backend: { type: kind === 'serial' ? 'null' : 'ringbuf', data: {} } })
      const properties = kind === 'serial' ? { chardev, 'always-plugged': true } : { chardev }
      return { properties, remove: () => this.#release('chardev-remove', { id: chardev }) }
    }
    if (kind === 'network') {
      const netdev = `${id}-net`
      await this.#qmp.execute('netdev_add', { type: 'hubport', id: netdev, hubid: 0 })
      return { properties: { netdev }, remove: () => this.#qmp.execute('netdev_del', { id: netdev }) }
    }
    const properties = { audio: { audiodev: silence }, mtp: { rootdir: sharedFolder } }[kind] ?? {}
    return { properties, remove: async () => {} }
  }

  // The device lets go of its backend only some time after DEVICE_DELETED.
  async #release(command, parameters) {
    const deadline = Date.now() + releaseDeadlineMs
    for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 100)) {
      try {
        return await this.#qmp.execute(command, parameters)
      } catch (error) {
        if (Date.now() > deadline || !/in use|busy/i.test(error.message)) throw error
      }
      await sleep(waitMs)
    }
  }
}
