// A process in the guest, with the face of a local one. agent.mjs carries its frames.

import os from 'node:os'

import { frameType as type } from './frames.mjs'

const steps = { c: 'cannot enter its directory', u: 'cannot become its user', e: 'cannot be executed', f: 'cannot be started' }
// guest/process.c keeps this much for each process.
const stdinWindow = 64 * 1024
const stdinChunk = 16 * 1024
const stderrLimit = 256 * 1024

/** A process in the guest. One that could not be started ends with code 127 and the reason in stderrText(), as in a shell. */
export class GuestProcess {
  #argv
  #send
  #stderr = Buffer.alloc(0)
  #unsent = []
  #underWay = 0
  #inputEnded = false
  #finish
  /** The process's number in the guest, known before its first line of output. */
  pid = null
  running = true
  stdout = new Lines()
  exit = new Promise((resolve) => {
    this.#finish = resolve
  })

  constructor(argv, send) {
    this.#argv = argv
    this.#send = send
  }

  stderrText() {
    return this.#stderr.toString('utf8')
  }

  write(line) {
    const bytes = Buffer.from(`${line}\n`)
    for (let at = 0; at < bytes.length; at += stdinChunk) this.#unsent.push(bytes.subarray(at, at + stdinChunk))
    this.#pump()
  }

  endInput() {
    this.#inputEnded = true
    this.#pump()
  }

  /** The next line that `match` accepts; earlier ones are passed over. */
  async waitForLine(match, { timeoutMs = 10_000 } = {}) {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const { done, value } = await this.stdout.next(deadline - Date.now())
      if (done) throw new Error(`${this.#argv[0]} ended without such a line; stderr: ${this.stderrText()}`)
      if (value === undefined) throw new Error(`no such line from ${this.#argv[0]} within ${timeoutMs} ms; stderr: ${this.stderrText()}`)
      if (match(value)) return value
    }
  }

  kill(signal = 'SIGTERM') {
    const number = typeof signal === 'number' ? signal : os.constants.signals[signal]
    if (!number) throw new Error(`unknown signal ${signal}`)
    this.#send(type.kill, Buffer.from([number]))
  }

  take(kind, payload) {
    if (kind === type.started) this.pid = payload.readUInt32LE(0)
    if (kind === type.stdout) this.stdout.push(payload)
    if (kind === type.stderr) this.#addStderr(payload)
    if (kind === type.taken) {
      this.#underWay -= payload.readUInt32LE(0)
      this.#pump()
    }
    if (kind === type.failed) {
      const [reason] = Object.entries(os.constants.errno).find(([, value]) => value === payload.readInt32LE(1)) ?? [payload.readInt32LE(1)]
      this.#addStderr(Buffer.from(`${this.#argv[0]} ${steps[String.fromCharCode(payload[0])]} in the guest: ${reason}\n`))
      this.#close({ code: 127, signal: null })
    }
    if (kind === type.exit) {
      const status = payload.readInt32LE(0)
      const number = status & 0x7f
      const signal = Object.entries(os.constants.signals).find(([, value]) => value === number)?.[0] ?? null
      this.#close(number === 0 ? { code: status >> 8, signal: null } : { code: null, signal })
    }
  }

  /** The machine has gone. */
  lose() {
    this.#addStderr(Buffer.from('the guest has gone\n'))
    this.#close({ code: null, signal: 'SIGKILL' })
  }

  #addStderr(bytes) {
    this.#stderr = Buffer.concat([this.#stderr, bytes])
    if (this.#stderr.length > stderrLimit) this.#stderr = this.#stderr.subarray(-stderrLimit)
  }

  #pump() {
    while (this.#unsent.length && this.#underWay + this.#unsent[0].length <= stdinWindow) {
      const chunk = this.#unsent.shift()
      this.#underWay += chunk.length
      this.#send(type.stdin, chunk)
    }
    if (!this.#inputEnded || this.#unsent.length > 0) return
    this.#inputEnded = false
    this.#send(type.stdin, Buffer.alloc(0))
  }

  #close(result) {
    this.running = false
    this.stdout.end()
    this.#finish(result)
  }
}

/** Lines as they come. Leaving a `for await` loop keeps the rest for the next one. */
class Lines {
  #rest = Buffer.alloc(0)
  #lines = []
  #waiting = []
  #ended = false

  push(bytes) {
    let buffer = Buffer.concat([this.#rest, bytes])
    for (let end = buffer.indexOf(10); end >= 0; end = buffer.indexOf(10)) {
      this.#give(buffer.toString('utf8', 0, end))
      buffer = buffer.subarray(end + 1)
    }
    this.#rest = buffer
  }

  end() {
    if (this.#rest.length) this.#give(this.#rest.toString('utf8'))
    this.#rest = Buffer.alloc(0)
    this.#ended = true
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true })
  }

  /** With a deadline that passes, the value is undefined, and no line is lost. */
  next(timeoutMs) {
    if (this.#lines.length) return Promise.resolve({ value: this.#lines.shift(), done: false })
    if (this.#ended) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve) => {
      let timer
      const take = (result) => {
        clearTimeout(timer)
        resolve(result)
      }
      this.#waiting.push(take)
      if (timeoutMs === undefined) return
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1)
        resolve({ value: undefined, done: false })
      }
      timer = setTimeout(giveUp, Math.max(0, timeoutMs))
    })
  }

  /** All lines that have come and were not asked for yet. */
  drain() {
    return this.#lines.splice(0)
  }

  [Symbol.asyncIterator]() {
    return { next: () => this.next() }
  }

  #give(value) {
    const resolve = this.#waiting.shift()
    if (resolve) resolve({ value, done: false })
    else this.#lines.push(value)
  }
}
