// The QEMU bed: a real Linux kernel in which tests plug and unplug emulated USB devices.
//
// The guest's root is the host's file system, read-only under a tmpfs: same node, same checkout path; what the guest writes is gone with it. A file that the
// host changes while the bed is open may be seen in its old state (the guest caches).

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Agent } from './agent.mjs'
import { Devices } from './devices.mjs'
import { Gadgets } from './gadget.mjs'
import { buildGuestImage } from './guest-image.mjs'
import { checkout, openKernel } from './kernel.mjs'
import { Ledger } from './ledger.mjs'
import { startMachine } from './machine.mjs'
import { SyntheticDevices } from './synthetic.mjs'

const bootDeadlineMs = 100_000
const settleDeadlineMs = 15_000
// A port that is used again earlier than this after a departure may merge both in the kernel.
const replugPauseMs = 200
const memoryMb = 1536
// mitigations and the watchdogs cost time under emulation and protect nothing here; trust_cpu spares the wait for entropy. A timer that comes late, because QEMU
// did not get its turn, is no broken one, for which the kernel gives up at its start.
const commandLine = [
  'console=ttyS0 quiet panic=-1 nowatchdog no_timer_check mitigations=off random.trust_cpu=on rcupdate.rcu_cpu_stall_suppress=1',
  `bed.checkout=${checkout}`,
].join(' ')
// dummy_hcd asks for a timer of 125 us for as long as anything waits on one of its ports, and an emulated processor then does nothing else.
const gadgetWords = 'highres=off'
const systemdWords = 'bed.init=systemd systemd.unit=bed.target systemd.show_status=false systemd.log_target=journal'
const usbModules = ['xhci_pci', 'usb_storage', 'sd_mod', 'uas', 'usbhid', 'hid_generic', 'cdc_acm', 'usbserial', 'ftdi_sio', 'evdev']

/**
 * Boots; resolves when every root hub is there. With `udev`, systemd-udevd runs in the guest; without, nothing of udev does. With `systemd`, process 1 is
 * systemd, and udevd runs as Debian's own unit; processes that the test starts are then in the cgroup of the agent's service. `prepare` is a shell script
 * that the guest carries out before systemd starts, as one would on a machine that is then started again; the host's files are below /run/bed/host. With
 * `gadgets`, there are ports for plugGadget(), and timers are as coarse as the kernel's tick.
 */
export async function openQemuBed({ systemd = false, udev = systemd, gadgets = false, prepare, controllers = 4, log = () => {} } = {}) {
  const kernel = await openKernel()
  const initramfs = await buildGuestImage(kernel)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'qemu-bed-'))
  const script = path.join(folder, 'prepare')
  if (prepare) await writeFile(script, prepare)
  const words = [commandLine, ...(prepare ? [`bed.prepare=${script}`] : []), ...(gadgets ? [gadgetWords] : []), ...(systemd ? [systemdWords] : [])]
  const machine = startMachine({ kernel: kernel.image, initramfs, controllers, memoryMb, commandLine: words.join(' ') })
  const ledger = new Ledger()
  const agent = new Agent(machine.agentSocket, (stamp, message) => ledger.record(stamp, message))
  machine.exited.then(() => ledger.end(new Error(`the guest has gone\nconsole:\n${machine.consoleTail()}`)))
  const bed = new QemuBed({ systemd, udev, gadgets, kernel, machine, agent, ledger, log })
  const deadline = new AbortController()
  try {
    await Promise.race([
      bed.prepare(controllers),
      machine.exited.then(() => Promise.reject(new Error('QEMU ended before the guest was ready'))),
      sleep(bootDeadlineMs, null, { signal: deadline.signal }).then(() => Promise.reject(new Error(`the guest was not ready after ${bootDeadlineMs} ms`))),
    ])
  } catch (error) {
    await machine.stop()
    throw new Error(`the QEMU bed did not come up: ${error.message}\nconsole:\n${machine.consoleTail()}`, { cause: error })
  } finally {
    deadline.abort()
    await rm(folder, { recursive: true })
  }
  return bed
}

class QemuBed {
  kind = 'qemu'
  #kernel
  #machine
  #agent
  #ledger
  #log
  #devices
  #synthetic
  #gadgets
  #vhci
  #watched = new WeakMap()

  constructor({ systemd, udev, gadgets, kernel, machine, agent, ledger, log }) {
    this.systemd = systemd
    this.udev = udev
    this.#kernel = kernel
    this.#machine = machine
    this.#agent = agent
    this.#ledger = ledger
    this.#log = log
    this.#devices = new Devices(machine.qmp)
    this.#synthetic = new SyntheticDevices((argv, options) => this.spawn(argv, options))
    if (gadgets) this.#gadgets = new Gadgets({ run: (command) => this.#must(command), loadModule: (...names) => this.loadModule(...names) })
  }

  async prepare(controllers) {
    await this.#machine.qmp.negotiate()
    await this.#agent.ready
    this.#log('guest agent is up')
    if (this.systemd) await this.#must('systemctl is-system-running --wait >/dev/null; systemctl is-active bed.target systemd-udevd.service')
    else if (this.udev) await this.#startUdev()
    await this.loadModule(...usbModules)
    this.#log('modules are in')
    const rootHubs = new Set()
    const subject = `bind of ${2 * controllers} root hubs`
    const isLastRootHub = ({ action, devpath }) => action === 'bind' && /\/usb\d+$/.test(devpath) && rootHubs.add(devpath).size >= 2 * controllers
    await this.#ledger.waitFor(isLastRootHub, { timeoutMs: bootDeadlineMs, subject })
    if (this.#gadgets) await this.#startGadgets()
    if (this.udev) await this.#must('udevadm trigger --action=add --subsystem-match=usb && udevadm settle')
    this.#log('root hubs are there')
  }

  /** Starts a process in the guest at once. `user` (default root): a name or UID, without any capability then. */
  spawn(argv, options) {
    return this.#agent.spawn(argv, options)
  }

  async exec(argv, options) {
    const guestProcess = this.spawn(argv, options)
    guestProcess.endInput()
    const { code, signal } = await guestProcess.exit
    return { code, signal, stdout: guestProcess.stdout.drain().map((line) => `${line}\n`).join(''), stderr: guestProcess.stderrText() }
  }

  shell(command, options) {
    return this.exec(['sh', '-c', command], options)
  }

  /** Loads modules with all that they need; those that are in already are passed over. `name key=value` gives a module a parameter. */
  async loadModule(...requests) {
    const plan = new Map()
    for (const request of requests) {
      const [wanted, ...parameters] = request.split(' ')
      const needed = await this.#kernel.modulePlan(wanted)
      for (const { name, file } of needed) if (!plan.has(name)) plan.set(name, [`'${file}'`])
      plan.get(needed.at(-1).name).push(...parameters)
    }
    const steps = [...plan].map(([name, words]) => `[ -d /sys/module/${name} ] || /run/bed/busybox insmod ${words.join(' ')} || exit`)
    await this.#must(steps.join('\n'))
  }

  async plug(request) {
    const since = this.#ledger.length
    const handle = await this.#devices.plug(request)
    const pattern = Devices.pathPattern(handle)
    this.#watched.set(handle, { since, match: ({ devpath }) => pattern.test(devpath) })
    return handle
  }

  async plugSynthetic(description) {
    this.#vhci ??= this.#startVhci()
    await this.#vhci
    const since = this.#ledger.length
    const handle = await this.#synthetic.plug(description)
    this.#watched.set(handle, { since, match: this.#synthetic.matcher(handle, this.#ledger) })
    return handle
  }

  /** Plugs a gadget of configfs into a port of dummy_hcd, which needs no host: see gadget.mjs. */
  async plugGadget(description) {
    if (!this.#gadgets) throw new Error('this bed has no ports for gadgets: openQemuBed({ gadgets: true }) has')
    const since = this.#ledger.length
    const handle = await this.#gadgets.plug(description)
    this.#watched.set(handle, { since, match: this.#gadgets.matcher(handle, this.#ledger) })
    return handle
  }

  async unplug(handle) {
    const side = { synthetic: this.#synthetic, gadget: this.#gadgets }[handle.kind] ?? this.#devices
    await side.unplug(handle)
  }

  /** Waits for the device's `bind`, or with 'gone' its `remove`. Gives the uevent; the handle then has `name`, `busnum`, `devnum` and `devpath`. */
  async settle(handle, state, timeoutMs = settleDeadlineMs) {
    const action = { bind: 'bind', gone: 'remove' }[state]
    if (!action) throw new Error(`no state ${state}; there are bind and gone`)
    const { since, match } = this.#watched.get(handle)
    const subject = `${action} of ${handle.kind} on controller ${handle.controller}, port ${handle.port}`
    const entry = await this.#ledger.waitFor((entry) => entry.action === action && !entry.repeated && match(entry), { since, timeoutMs, subject })
    const { busnum, devnum, devpath } = entry
    Object.assign(handle, { name: path.basename(devpath), busnum, devnum, devpath })
    return entry
  }

  async cycle(request) {
    const handle = await this.plug(request)
    await this.settle(handle, 'bind')
    await this.unplug(handle)
    await this.settle(handle, 'gone')
    await sleep(replugPauseMs)
    return handle
  }

  /** Each add and remove of a usb_device since boot, root hubs included, that has reached the host. */
  ledger() {
    return this.#ledger.transitions()
  }

  /** As ledger(), with bind, unbind, change and the uevents that somebody asked to be repeated. */
  uevents() {
    return this.#ledger.uevents()
  }

  consoleTail() {
    return this.#machine.consoleTail()
  }

  async close() {
    await this.#machine.stop()
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    await this.close()
  }

  async #startUdev() {
    const daemon = '/lib/systemd/systemd-udevd'
    const start = [
      `[ -x ${daemon} ] || { echo '${daemon} is missing: apt-get install udev' >&2; exit 1; }`,
      `${daemon} --daemon`,
    ]
    await this.#must(start.join('\n'))
    this.#log('udevd is up')
  }

  async #startVhci() {
    const since = this.#ledger.length
    await this.loadModule('vhci_hcd')
    const { stdout } = await this.#must('cat /sys/devices/platform/vhci_hcd.0/nports; ls -d /sys/devices/platform/vhci_hcd.*')
    await this.#rootHubsOf('vhci_hcd', 2 * (stdout.trim().split('\n').length - 1), since)
  }

  async #startGadgets() {
    const since = this.#ledger.length
    await this.#gadgets.load()
    await this.#rootHubsOf(Gadgets.controller, Gadgets.ports, since)
  }

  async #rootHubsOf(controller, count, since) {
    const pattern = new RegExp(`/${controller}\\.\\d+/usb\\d+$`)
    const rootHubs = new Set()
    const match = ({ action, devpath }) => action === 'bind' && pattern.test(devpath) && rootHubs.add(devpath).size >= count
    await this.#ledger.waitFor(match, { since, timeoutMs: bootDeadlineMs, subject: `bind of ${count} root hubs of ${controller}` })
  }

  async #must(command) {
    const result = await this.shell(command, { cwd: '/' })
    if (result.code !== 0) throw new Error(`in the guest: ${(result.stderr || result.stdout).trim()} (exit ${result.code ?? result.signal})`)
    return result
  }
}
