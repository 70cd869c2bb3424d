// Scrapes a daemon's metrics as fast as it answers, from one process to its successor, and holds each scrape against the
// law of the accounts.

import { setTimeout as pause } from 'node:timers/promises';
import { accountsOf, isBalanced } from '../exposition.mjs';

const BETWEEN_MS = 20;

export class Scraper {
  /** Scrapes that had an answer. */
  looks = 0;
  /** Those that found nobody: the daemon had been killed. */
  away = 0;
  /** Those that found events which waited for Redis. */
  withBacklog = 0;
  /** Accounts that do not add up. */
  unbalanced = [];
  #url;
  #ending = new AbortController();
  #done;

  constructor(port) {
    this.#url = `http://127.0.0.1:${port}/metrics`;
    this.#done = this.#scrape();
  }

  /** Ends it; rejects where it has failed in a way that no killed daemon explains. */
  end() {
    this.#ending.abort();
    return this.#done;
  }

  async #scrape() {
    while (!this.#ending.signal.aborted) {
      const text = await this.#ask();
      if (text === null) this.away += 1;
      else this.#look(accountsOf(text));
      await pause(BETWEEN_MS);
    }
  }

  /** Null where nobody answers, or dies doing so. */
  async #ask() {
    let response;
    try {
      response = await fetch(this.#url, { signal: this.#ending.signal });
      if (response.ok) return await response.text();
    } catch {
      return null;
    }
    throw new Error(`/metrics answers ${response.status}`);
  }

  #look(accounts) {
    this.looks += 1;
    this.withBacklog += accounts.waiting > 0 ? 1 : 0;
    if (!isBalanced(accounts)) this.unbalanced.push(accounts);
  }
}
