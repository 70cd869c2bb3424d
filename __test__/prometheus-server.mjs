// A real Prometheus on a free port, for one test, and its tool.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from './redis-server.mjs';
import { until } from './until.mjs';

/** Scrapes `targets` (host:port) as job `usb-daemon` every 250 ms, and ends with the test. */
export async function startPrometheus(targets) {
  const folder = await mkdtemp(join(tmpdir(), 'usb-daemon-prometheus-'));
  const config = { scrape_configs: [{ job_name: 'usb-daemon', scrape_interval: '250ms', scrape_timeout: '250ms', static_configs: [{ targets }] }] };
  // What is JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const port = await freePort();
  const args = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`];
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const failed = new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`prometheus cannot start: ${error.message}; run sh scripts/setup/test.sh`)));
    child.once('exit', () => reject(new Error(`prometheus ended: ${said}`)));
  });
  failed.catch(() => {});
  onTestFinished(async () => {
    const gone = child.exitCode === null ? once(child, 'exit') : null;
    child.kill('SIGKILL');
    await gone;
    await rm(folder, { recursive: true, force: true });
  });
  const server = new PrometheusServer(`http://127.0.0.1:${port}`);
  await Promise.race([failed, until(() => server.isReady(), 'prometheus')]);
  return server;
}

class PrometheusServer {
  #url;

  constructor(url) {
    this.#url = url;
  }

  isReady() {
    return fetch(`${this.#url}/-/ready`).then(({ ok }) => ok, () => false);
  }

  /** What an expression gives now: one `{ metric, value }` for each series. */
  async query(expression) {
    const response = await fetch(`${this.#url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expression }) });
    const { status, error, data } = await response.json();
    if (status !== 'success') throw new Error(`${expression}: ${error}`);
    return data.result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  }

  /** How the scrapes of each target are, by `host:port`. */
  async targets() {
    const { data } = await (await fetch(`${this.#url}/api/v1/targets`)).json();
    return Object.fromEntries(data.activeTargets.map(({ labels, health, lastError }) => [labels.instance, { health, lastError }]));
  }
}

/** Runs promtool; gives its exit code and what it said. */
export function promtool(args, { input = '', cwd } = {}) {
  return new Promise((resolve) => {
    const child = execFile('promtool', args, { cwd }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, said: stdout + stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
