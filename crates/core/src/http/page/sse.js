// Server-sent events out of the pieces in which they come. Not EventSource: that one cannot send a token.

/** A line longer than this is no event of this daemon's. */
const LONGEST = 1_048_576;

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
    let from = 0;
    for (;;) {
      const end = endOfLine(text, from);
      if (!end) break;
      this.#line(text.slice(from, end.at));
      from = end.next;
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

/** The next end of a line. A carriage return at the very end may be half of one, and waits for its line feed. */
function endOfLine(text, from) {
  for (let at = from; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === '\n') return { at, next: at + 1 };
    if (sign === '\r') {
      if (at + 1 === text.length) return undefined;
      return { at, next: text[at + 1] === '\n' ? at + 2 : at + 1 };
    }
  }
  return undefined;
}
