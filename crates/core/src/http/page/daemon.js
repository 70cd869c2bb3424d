// The daemon as this page asks it: JSON now and then, and its events as they come. One token for all of it.

import { EventParser } from './sse.js';

const KEY = 'usb-daemon-token';
const PATIENCE_MS = 8000;
/** The stream has a comment every 15 s; one that says nothing for longer is dead. */
const SILENCE_MS = 40_000;
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [500, 15_000];
/** How far back the stream begins when the page is opened. */
const HISTORY = 500;

/** The daemon wants a token, or another one. */
export class TokenNeeded extends Error {
  constructor() {
    super(token() ? 'the daemon does not accept this token' : 'the daemon asks for a token');
  }
}

/** The daemon is there, and does not grant what it was asked. */
export class Refused extends Error {}

function token() {
  return sessionStorage.getItem(KEY);
}

/** Kept until this tab is closed. */
export function useToken(text) {
  sessionStorage.setItem(KEY, text);
}

export function hasToken() {
  return token() !== null;
}

async function request(path, { headers = {}, signal } = {}) {
  const known = token();
  const authorization = known ? { authorization: `Bearer ${known}` } : {};
  const response = await fetch(path, { headers: { ...headers, ...authorization }, signal, cache: 'no-store', redirect: 'error' });
  if (response.status === 401) throw new TokenNeeded();
  return response;
}

/** What the daemon answers at `path`, and how far its clock is ahead of ours. 503 is an answer, too: it says what is wrong. */
export async function ask(path) {
  const response = await request(path, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok && response.status !== 503) throw new Error(`${path} is answered with ${response.status}`);
  const date = Date.parse(response.headers.get('date') ?? '');
  return { body: await response.json(), aheadMs: Number.isNaN(date) ? 0 : date - Date.now() };
}

/**
 * Follows the daemon's events for as long as the page is open. `on` has `event({ type, id, data })`, `open()`, `closed({ reason,
 * isRefused,
 * retryAt })` and `tokenNeeded(error)`.
 */
export function follow(on) {
  let lastId;
  let pauseMs = FIRST_PAUSE_MS;
  let wake = () => {};
  let controller = new AbortController();

  async function run() {
    for (;;) {
      const failure = await once().catch((error) => error);
      if (failure instanceof TokenNeeded) {
        on.tokenNeeded(failure);
        await new Promise((resolve) => { wake = resolve; });
        continue;
      }
      // So that a hundred pages do not come back in the same moment.
      const wait = pauseMs * (0.75 + Math.random() / 2);
      on.closed({ reason: failure?.message ?? 'the daemon has ended the stream', isRefused: failure instanceof Refused, retryAt: Date.now() + wait });
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        wake = () => { clearTimeout(timer); resolve(); };
      });
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  async function once() {
    controller = new AbortController();
    const { signal } = controller;
    const silence = new Silence(() => controller.abort(new Error('the daemon says nothing any more')));
    try {
      const headers = { accept: 'text/event-stream', ...(lastId ? { 'last-event-id': lastId } : {}) };
      const response = await request(lastId ? '/events' : `/events?last=${HISTORY}`, { headers, signal });
      if (!response.ok) throw new Refused(await whyRefused(response));
      pauseMs = FIRST_PAUSE_MS;
      on.open();
      const parser = new EventParser((event) => {
        if (event.id) lastId = event.id;
        on.event(event);
      });
      for await (const piece of pieces(response.body)) {
        silence.broken();
        parser.push(piece);
      }
    } finally {
      silence.end();
    }
  }

  run();
  return {
    /** Tries again at once. */
    retry() {
      pauseMs = FIRST_PAUSE_MS;
      wake();
    },
  };
}

async function whyRefused(response) {
  const { error, message } = await response.json().catch(() => ({}));
  return error?.message ?? message ?? `/events is answered with ${response.status}`;
}

async function* pieces(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

class Silence {
  #timer;
  #onSilence;

  constructor(onSilence) {
    this.#onSilence = onSilence;
    this.broken();
  }

  broken() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onSilence, SILENCE_MS);
  }

  end() {
    clearTimeout(this.#timer);
  }
}
