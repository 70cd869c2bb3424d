// The lines of a stream, kept until somebody asks for them.

/** An async iterable over a stream's lines; nothing is lost while nobody iterates. */
export class LineQueue {
  #waiting = []
  #asking = []
  #rest = ''
  #ended = false

  constructor(stream) {
    stream.setEncoding('utf8')
    stream.on('data', (text) => this.#take(text))
    stream.on('close', () => this.#end())
  }

  async next() {
    if (this.#waiting.length > 0) return { done: false, value: this.#waiting.shift() }
    if (this.#ended) return { done: true, value: undefined }
    return new Promise((resolve) => this.#asking.push(resolve))
  }

  [Symbol.asyncIterator]() {
    return { next: () => this.next(), [Symbol.asyncIterator]() { return this } }
  }

  /** All lines that have come and were not asked for yet. */
  drain() {
    return this.#waiting.splice(0)
  }

  #take(text) {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()
    for (const line of lines) this.#deliver(line)
  }

  #deliver(line) {
    const ask = this.#asking.shift()
    if (ask) ask({ done: false, value: line })
    else this.#waiting.push(line)
  }

  #end() {
    if (this.#rest !== '') this.#deliver(this.#rest)
    this.#rest = ''
    this.#ended = true
    for (const ask of this.#asking.splice(0)) ask({ done: true, value: undefined })
  }
}
