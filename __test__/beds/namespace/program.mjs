// A program that runs in a bed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { LineQueue } from './line-queue.mjs'

/** A started program: `stdout` iterates over lines, `exit` settles once all output has been read. */
export class Program {
  #child
  #stderr = ''

  constructor(command, args, { env, cwd } = {}) {
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe' })
    this.stdout = new LineQueue(this.#child.stdout)
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.#stderr += text))
    // A program that has ended reads no more.
    this.#child.stdin.on('error', () => {})
    this.exit = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }))
    // Awaited by those who care; for the others a failed start shows in stderr.
    this.exit.catch((error) => (this.#stderr += `${error}\n`))
  }

  get pid() {
    return this.#child.pid
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  stderrText() {
    return this.#stderr
  }

  write(line) {
    this.#child.stdin.write(`${line}\n`)
  }

  endInput() {
    this.#child.stdin.end()
  }

  kill(signal = 'SIGTERM') {
    return this.#child.kill(signal)
  }

  /** The next line that `match` accepts; earlier ones are passed over. */
  async waitForLine(match, { timeoutMs = 10_000 } = {}) {
    const deadline = AbortSignal.timeout(timeoutMs)
    const late = once(deadline, 'abort').then(() => {
      throw new Error(`no such line within ${timeoutMs} ms; stderr: ${this.#stderr}`)
    })
    late.catch(() => {})
    for (;;) {
      const { done, value } = await Promise.race([this.stdout.next(), late])
      if (done) throw new Error(`the program ended without such a line; stderr: ${this.#stderr}`)
      if (match(value)) return value
    }
  }
}
