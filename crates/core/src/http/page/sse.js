// Server-sent events out of the pieces in which they come. Not EventSource: that one cannot send a token.

/** A line longer than this is no event of this daemon's. */
const LONGEST = 1_048_576;
/** A carriage return at the very end may be half of an end, and waits for its line feed. */
const END = /\r\n|\n|\r(?!$)/g;

/** Takes pieces of text, and tells `onEvent({ type, id, data })` whenever an event is whole. */
export class EventParser {
  #onEvent;
  #rest = '';
  #fields = {};

  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  push(piece) {
    const text = this.#rest + piece;
    // What is left over has no end in it, but for half a one.
    END.lastIndex = Math.max(0, this.#rest.length - 1);
    let from = 0;
    for (let end = END.exec(text); end; end = END.exec(text)) {
      this.#line(text.slice(from, end.index));
      from = END.lastIndex;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length > LONGEST) throw new Error('a line without an end');
  }

  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    this.#fields[name] = name === 'data' && this.#fields.data !== undefined ? `${this.#fields.data}\n${value}` : value;
    return undefined;
  }

  #dispatch() {
    const { event = 'message', id, data } = this.#fields;
    this.#fields = {};
    if (data !== undefined) this.#onEvent({ type: event, id, data });
  }
}
