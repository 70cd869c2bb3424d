// A connection to the bed's control socket: one JSON line asks, one answers.

import { createConnection } from 'node:net'
import { LineQueue } from './line-queue.mjs'

export class ControlLine {
  #socket
  #answers
  #turn = Promise.resolve()

  constructor(socket) {
    this.#socket = socket
    this.#answers = new LineQueue(socket)
    // What breaks shows as an answer that does not come.
    socket.on('error', () => {})
  }

  static open(path) {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path, () => resolve(new ControlLine(socket)))
      socket.once('error', reject)
    })
  }

  /** Carries out one operation; rejects with the bed's own words. */
  ask(op, fields = {}) {
    this.#socket.write(`${JSON.stringify({ ...fields, op })}\n`)
    const answer = this.#turn.then(() => this.#answers.next())
    this.#turn = answer
    return answer.then(({ done, value }) => {
      if (done) throw new Error(`the bed has gone before it answered ${op}`)
      const { ok, error, ...rest } = JSON.parse(value)
      if (!ok) throw new Error(`${op}: ${error}`)
      return rest
    })
  }

  close() {
    this.#socket.destroy()
  }
}
