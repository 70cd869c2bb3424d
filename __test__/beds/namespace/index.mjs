// The namespace bed: a private USB tree with real kernel uevents, in which tests run programs.
//
// The work is done by the `usb-bed` binary (crates/testbed). It ends with this process, however that ends.

import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ControlLine } from './control-line.mjs'
import { describeDevice, deviceName } from './devices.mjs'
import { Program } from './program.mjs'

const CLOSE_PATIENCE_MS = 10_000

/** Where `usb-bed` is: $USB_BED, else the newest kind of build in the checkout. */
export function findBinary() {
  if (process.env.USB_BED) return process.env.USB_BED
  const checkout = fileURLToPath(new URL('../../../', import.meta.url))
  const target = process.env.CARGO_TARGET_DIR ?? join(checkout, 'target')
  const binary = ['release', 'debug'].map((profile) => join(target, profile, 'usb-bed')).find(existsSync)
  if (!binary) throw new Error('usb-bed is not built: run `cargo build --release -p usb-testbed`, or set USB_BED')
  return binary
}

/**
 * Opens a bed.
 *
 * `deaf`: programs see the tree but hear no uevents. `devfs: false`: no /dev/bus/usb. `udevd`: a udevd's message follows
 * each uevent. `unprivileged`: inside a user namespace, as where there is no root.
 */
export async function openNamespaceBed({
  deaf = false,
  devfs = true,
  udevd = false,
  unprivileged = false,
  controllers = 4,
  binary = findBinary(),
} = {}) {
  const socket = join(tmpdir(), `usb-bed-${randomUUID()}.sock`)
  const switches = { '--deaf': deaf, '--no-devfs': !devfs, '--udevd': udevd, '--unprivileged': unprivileged }
  const args = ['run', '--control', socket, '--controllers', String(controllers)]
  const process = new Program(binary, [...args, ...Object.keys(switches).filter((name) => switches[name])])
  try {
    const info = JSON.parse(await process.waitForLine(() => true))
    return new NamespaceBed(binary, process, info, await ControlLine.open(socket))
  } catch (error) {
    process.kill('SIGTERM')
    throw new Error('the namespace bed did not open', { cause: error })
  }
}

class NamespaceBed {
  kind = 'namespace'
  #binary
  #process
  #line
  #closing
  #programs = new Set()

  constructor(binary, process, info, line) {
    this.#binary = binary
    this.#process = process
    this.info = info
    this.#line = line
  }

  /**
   * Runs a program in the bed. `user`: a name or UID; without any capability then. `hearing`: in a deaf bed, where
   * uevents are heard nevertheless. `pid` is the program's own.
   */
  spawn(argv, { env, user, cwd, hearing = false } = {}) {
    const args = ['enter', '--bed', String(this.info.pid)]
    if (this.info.deaf_pid && !hearing) args.push('--deaf', String(this.info.deaf_pid))
    if (user !== undefined) args.push('--user', String(user))
    const program = new Program(this.#binary, [...args, '--', ...argv], { env, cwd })
    this.#programs.add(program)
    program.exit.catch(() => {}).finally(() => this.#programs.delete(program))
    return program
  }

  /** Runs a program to its end. */
  async exec(argv, options) {
    const program = this.spawn(argv, options)
    program.endInput()
    const { code, signal } = await program.exit
    return { code, signal, stdout: program.stdout.drain().map((line) => `${line}\n`).join(''), stderr: program.stderrText() }
  }

  /** Starts `usb-bed log` and waits until it listens. */
  async startLog({ user } = {}) {
    const log = this.spawn([this.#binary, 'log'], { user, hearing: true })
    log.ready = JSON.parse(await log.waitForLine(() => true))
    return log
  }

  /** Plugs a device in, with the uevents of its interfaces unless `interfaces_follow` is false. */
  async plug(spec) {
    const { place, fields } = describeDevice(spec)
    const { busnum, devnum, devpath, monotonic_ns } = await this.control('plug', { ...fields, name: place.name })
    return { ...place, busnum, devnum, devpath, monotonic_ns }
  }

  async unplug(handle, { entry = 'removed' } = {}) {
    await this.control('unplug', { name: handle.name, entry })
  }

  /**
   * Sends attach and detach pairs flat out, or at `rate_per_second` events. `entry: 'kept'` leaves the files in place.
   * Places come as `controller` and `port`, `name` or `names`. Resolves when the last event is sent.
   */
  async burst({ pairs, entry = 'removed', kind = 'mouse', name, names, ...options }) {
    const { place, fields } = describeDevice({ kind, port: '16', ...options })
    const where = names ? { names } : { name: name ?? place.name }
    // A line of its own: waiting would hold up everything asked on the common one.
    const line = await ControlLine.open(this.info.control)
    try {
      const { burst } = await line.ask('burst', { ...fields, ...where, pairs, entry })
      return await line.ask('wait', { burst })
    } finally {
      line.close()
    }
  }

  /** Plugs and unplugs `cycles` times, from one controller to the next, as slowly as the kernel would. */
  async cycle({ cycles = 1, controllers = 1, port = '1', entry = 'removed', pauseMs = 0, ...device }) {
    const pause = () => pauseMs > 0 && new Promise((resolve) => setTimeout(resolve, pauseMs))
    const handles = []
    for (let count = 0; count < cycles; count += 1) {
      const handle = await this.plug({ kind: 'mouse', ...device, controller: count % controllers, port })
      await pause()
      await this.unplug(handle, { entry })
      await pause()
      handles.push(handle)
    }
    return handles
  }

  /** Carries out any operation of the control socket. */
  control(op, fields) {
    return this.#line.ask(op, fields)
  }

  /** Every `add` and `remove` of a usb_device that was sent, from number `since` on. */
  async ledger({ since = 0 } = {}) {
    const { fields, rows } = await this.control('ledger', { since })
    return rows.map((row) => Object.fromEntries(fields.map((field, column) => [field, row[column]])))
  }

  /** Ends every program in the bed, then the bed. */
  close() {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    await this.close()
  }

  async #close() {
    const forced = setTimeout(() => this.#process.kill('SIGKILL'), CLOSE_PATIENCE_MS)
    // The bed ends what runs in it; one that was stopped on its way in is only known here.
    for (const program of this.#programs) program.kill('SIGKILL')
    await this.#line.ask('close').catch(() => {})
    await Promise.allSettled([...this.#programs].map((program) => program.exit))
    const { code, signal } = await this.#process.exit
    clearTimeout(forced)
    this.#line.close()
    if (code !== 0) throw new Error(`the bed ended with ${code ?? signal}: ${this.#process.stderrText()}`)
  }
}

export { deviceName }
