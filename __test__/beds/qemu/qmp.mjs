// QEMU's control line: JSON commands with their answers, and DEVICE_DELETED.

import { StringDecoder } from 'node:string_decoder'

export class Qmp {
  #socket
  #decoder = new StringDecoder('utf8')
  #rest = ''
  #commands = new Map()
  #nextId = 1
  #deletions = new Map()
  #closed = null

  constructor(socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('error', () => {})
    socket.on('close', () => this.#fail(new Error('QEMU has closed its control line')))
  }

  async negotiate() {
    await this.execute('qmp_capabilities')
  }

  /** Rejects with QEMU's own words and class (`err.qmpClass`). */
  execute(command, parameters = {}) {
    if (this.#closed) return Promise.reject(this.#closed)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#commands.set(id, { command, resolve, reject })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`)
    })
  }

  /** Call before device_del: QEMU may report the deletion ahead of its answer. */
  deletionOf(device) {
    return new Promise((resolve, reject) => this.#deletions.set(device, { resolve, reject }))
  }

  #receive(chunk) {
    this.#rest += this.#decoder.write(chunk)
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop()
    for (const line of lines) if (line.trim()) this.#take(JSON.parse(line))
  }

  #take(message) {
    if (message.event === 'DEVICE_DELETED') {
      this.#deletions.get(message.data.device)?.resolve()
      this.#deletions.delete(message.data.device)
      return
    }
    const pending = this.#commands.get(message.id)
    if (!pending) return
    this.#commands.delete(message.id)
    if (message.error) {
      pending.reject(Object.assign(new Error(`QEMU refused ${pending.command}: ${message.error.desc}`), { qmpClass: message.error.class }))
    } else {
      pending.resolve(message.return)
    }
  }

  #fail(error) {
    this.#closed = error
    for (const { reject } of [...this.#commands.values(), ...this.#deletions.values()]) reject(error)
    this.#commands.clear()
    this.#deletions.clear()
  }
}
