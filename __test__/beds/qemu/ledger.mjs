// The kernel's own words about USB devices, as the guest's witness (guest/uevents.c) has stamped them.

export class Ledger {
  #entries = []
  #watchers = new Set()
  #ended = null

  record(stamp, message) {
    const [, ...pairs] = message.toString('utf8').split('\0')
    const fields = Object.fromEntries(pairs.filter(Boolean).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
    const entry = {
      action: fields.ACTION,
      devpath: fields.DEVPATH,
      busnum: Number(fields.BUSNUM),
      devnum: Number(fields.DEVNUM),
      product: fields.PRODUCT,
      seqnum: Number(fields.SEQNUM),
      monotonic_ns: String(stamp),
    }
    // Asked for through sysfs (udevadm trigger, echo add > uevent): the kernel repeats itself, nothing has happened.
    if (fields.SYNTH_UUID !== undefined) entry.repeated = true
    this.#entries.push(entry)
    for (const watcher of this.#watchers) watcher.see(entry)
  }

  /** No more will come: whoever waits is told why. */
  end(reason) {
    this.#ended = reason
    for (const watcher of this.#watchers) watcher.fail(reason)
  }

  get length() {
    return this.#entries.length
  }

  /** Every uevent of a usb_device so far: also bind, unbind, change, and repeated ones. */
  uevents() {
    return this.#entries.map((entry) => ({ ...entry }))
  }

  transitions() {
    return this.uevents().filter((entry) => !entry.repeated && (entry.action === 'add' || entry.action === 'remove'))
  }

  /** The first entry from position `since` on that matches; `subject` is for the message when the deadline passes. */
  waitFor(match, { since = 0, timeoutMs, subject }) {
    const found = this.#entries.slice(since).find(match)
    if (found) return Promise.resolve(found)
    if (this.#ended) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      const finish = (settle, result) => {
        clearTimeout(timer)
        this.#watchers.delete(watcher)
        settle(result)
      }
      const watcher = {
        see: (entry) => match(entry) && finish(resolve, entry),
        fail: (reason) => finish(reject, reason),
      }
      const timer = setTimeout(() => {
        const seen = this.#entries.slice(since).slice(-10).map((entry) => `${entry.action} ${entry.devpath}`)
        finish(reject, new Error(`no uevent within ${timeoutMs} ms: ${subject}; seen since: ${seen.join(', ') || 'nothing'}`))
      }, timeoutMs)
      this.#watchers.add(watcher)
    })
  }
}
