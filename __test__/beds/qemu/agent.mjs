// The host's end of the line to the guest agent: starts processes in the guest, and passes its uevents on.

import { readFileSync } from 'node:fs'

import { FrameReader, encodeFrame, frameType as type } from './frames.mjs'
import { GuestProcess } from './guest-process.mjs'

export class Agent {
  #socket
  #frames = new FrameReader()
  #processes = new Map()
  #nextId = 1
  #onUevent
  #gone = false
  #markReady
  ready = new Promise((resolve) => {
    this.#markReady = resolve
  })

  constructor(socket, onUevent) {
    this.#socket = socket
    this.#onUevent = onUevent
    socket.on('data', (chunk) => {
      for (const frame of this.#frames.push(chunk)) this.#take(frame)
    })
    // A lost line shows as 'close' too.
    socket.on('error', () => {})
    socket.on('close', () => this.#end())
  }

  /** The directory is by default this process's own. Of the environment, PATH alone is: a NODE_EXTRA_CA_CERTS doubles node's start here. */
  spawn(argv, { env = {}, user = 'root', cwd = process.cwd() } = {}) {
    if (this.#gone) throw new Error('the guest has gone')
    const { uid, gid, home } = account(user)
    const environment = { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: home, ...env }
    const words = [uid, gid, cwd, argv.length, ...argv]
    for (const [name, value] of Object.entries(environment)) if (value !== undefined) words.push(`${name}=${value}`)
    const id = this.#nextId++
    const request = encodeFrame(type.spawn, id, Buffer.from(words.map((word) => `${word}\0`).join('')))
    const guestProcess = new GuestProcess(argv, (kind, payload) => {
      if (!this.#gone) this.#socket.write(encodeFrame(kind, id, payload))
    })
    this.#processes.set(id, guestProcess)
    this.#socket.write(request)
    return guestProcess
  }

  #take({ kind, id, payload }) {
    if (kind === type.uevent) return this.#onUevent(payload.readBigUInt64LE(0), payload.subarray(8))
    if (kind === type.ready) return this.#markReady()
    const guestProcess = this.#processes.get(id)
    if (!guestProcess) return
    if (kind === type.exit || kind === type.failed) this.#processes.delete(id)
    guestProcess.take(kind, payload)
  }

  #end() {
    this.#gone = true
    for (const guestProcess of this.#processes.values()) guestProcess.lose()
    this.#processes.clear()
  }
}

// The guest has the host's files, so the host's accounts are the guest's.
function account(user) {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid, , home] = line.split(':')
    if (name === user || uid === String(user)) return { uid, gid, home }
  }
  if (/^\d+$/.test(String(user))) return { uid: user, gid: user, home: '/' }
  throw new Error(`no user ${user} in /etc/passwd`)
}
