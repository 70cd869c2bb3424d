// What the benchmarks reckon with, and that a run fails where it must.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { median, quantile, quantilesOverRounds, ratioOverRounds } from '../bench/figures.mjs';
import { asText, judged } from '../bench/report.mjs';
import { delaysOf, startSubject } from '../bench/subject.mjs';

const runner = fileURLToPath(new URL('../bench/run.mjs', import.meta.url));

describe('figures', () => {
  it('has a quantile be one of the values, with so many at most as large', () => {
    const values = Array.from({ length: 101 }, (_, at) => (at * 37) % 101);
    for (const share of [0, 0.25, 0.5, 0.95, 0.99, 1]) expect(quantile(values, share)).toBe(Math.min(100, Math.floor(share * 101)));
    // The largest is beyond the 99th percentile of a hundred, however 0.07 * 100 comes out.
    const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
    for (const share of [0.01, 0.07, 0.5, 0.95, 0.99, 1]) expect(quantile(hundred, share)).toBe(Math.round(share * 100));
    expect(quantile([3, Infinity, 1], 0.99)).toBe(Infinity);
  });

  it('takes the median over rounds, so that one busy round decides nothing', () => {
    expect(quantilesOverRounds([[1, 2, 3], [1_000, 2_000, 3_000], [2, 3, 4]], [0.5, 0.99])).toEqual([3, 4]);
    expect([[5, 1, 9], [4, 1, 3, 9], [Infinity, Infinity], [1, Infinity]].map(median)).toEqual([5, 3.5, Infinity, Infinity]);
  });

  it('compares within a round: a machine that slows down for both changes no ratio', () => {
    const ours = [[1, 2, 3], [10, 20, 30], [2, 4, 6]];
    const theirs = ours.map((round) => round.map((value) => value * 4));
    for (const share of [0, 0.5, 0.99]) expect(ratioOverRounds(ours, theirs, share)).toBe(0.25);
  });
});

describe('delays', () => {
  const uevent = (action, devnum, ms) => ({ action, busnum: 1, devnum, monotonic_ns: ms * 1e6 });
  const event = (action, address, ms) => ({ action, bus: 1, address, at: ms * 1e6 });

  it('pairs each uevent with what was heard of it, in order where an address comes again', () => {
    const uevents = [uevent('add', 5, 1), uevent('remove', 5, 2), uevent('add', 5, 10)];
    expect(delaysOf(uevents, [event('add', 5, 3), event('add', 5, 11), event('remove', 5, 4)])).toEqual([2, 2, 1]);
  });

  it('has what was never heard of come never', () => {
    expect(delaysOf([uevent('add', 5, 1), uevent('add', 6, 2)], [event('add', 6, 3)])).toEqual([Infinity, 1]);
    expect(delaysOf([uevent('add', 5, 1)], [event('remove', 5, 3)])).toEqual([Infinity]);
  });
});

describe('a subject', () => {
  it('is told which package is measured: a guest has nothing of this environment', async () => {
    vi.stubEnv('BENCH_PACKAGE', '/elsewhere');
    onTestFinished(() => vi.unstubAllEnvs());
    let environment;
    const spawn = (_, { env }) => {
      environment = env;
      return { waitForLine: async () => '{"began":1,"at":2}' };
    };
    await startSubject({ spawn }, 'usb-daemon', {});
    expect(environment).toEqual({ BENCH_PACKAGE: '/elsewhere' });
  });
});

describe('checks', () => {
  it('passes a value at its bound, and none that is no number', () => {
    const checks = [{ value: 0.6, atLeast: 0.6 }, { value: 0.6, atMost: 0.6 }, { value: 0.59, atLeast: 0.6 }, { value: 0.61, atMost: 0.6 }, { value: NaN, atMost: 1 }, { value: undefined, atMost: 1 }, { value: Infinity, atMost: 1 }];
    expect(judged(checks).map(({ passed }) => passed)).toEqual([true, true, false, false, false, false, false]);
  });

  it('aligns a table, figures to the right', () => {
    expect(asText({ caption: 'Times', head: ['', 'µs'], rows: [['ours', 1.23456], ['theirs', 1_000]] })).toBe('Times\n          µs\nours    1.23\ntheirs  1000');
  });
});

describe('a run', () => {
  let folder;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'usb-daemon-bench-'));
    const part = (name, body) => writeFileSync(join(folder, 'parts', `${name}.mjs`), `export const title = 'The part ${name}';\nexport async function run({ quick }) { ${body} }\n`);
    mkdirSync(join(folder, 'parts'));
    part('memory', `return { tables: [{ caption: 'Memory', head: ['', 'MB'], rows: [['ours', quick ? 1 : 2]] }], checks: [{ name: 'MB', value: 1, atMost: 2 }], data: { never: Infinity } };`);
    part('latency', `return { tables: [], checks: [{ name: 'of the best peer', value: 0.9, atMost: 0.75 }] };`);
    part('another', `throw new Error('the bed did not open');`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const bench = (...args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [runner, '--parts', join(folder, 'parts'), '--results', join(folder, 'results'), ...args], { encoding: 'utf8' });
    return { status, stdout, stderr };
  };

  it('succeeds where every check is met, prints the tables, keeps the figures with where they come from, and says what was not run', () => {
    const markdown = join(folder, 'tables.md');
    const { status, stdout } = bench('memory', '--quick', '--markdown', markdown);
    expect(stdout).toContain('PASS   MB: 1 (at most 2)');
    expect(stdout).toMatch(/^ours +1$/m);
    expect(stdout).toContain('== latency: NOT RUN');
    expect(stdout).toContain('== another: NOT RUN');
    expect(status).toBe(0);
    const kept = JSON.parse(readFileSync(join(folder, 'results/memory.json'), 'utf8'));
    expect(kept).toMatchObject({ part: 'memory', quick: true, data: { never: 'Infinity' }, checks: [{ passed: true }] });
    expect(kept.began).toMatchObject({ node: process.version, date: expect.any(String), commit: expect.any(String), load: expect.any(Array), versions: { usb2: expect.stringMatching(/^2\./) } });
    expect(readFileSync(markdown, 'utf8')).toContain('| ours | 1 |');
  });

  it('fails where a check is missed', () => {
    const { status, stdout } = bench('latency');
    expect(stdout).toContain('MISSED of the best peer: 0.9 (at most 0.75)');
    expect(status).toBe(1);
  });

  it('fails where a part throws, after the other parts', () => {
    const { status, stdout, stderr } = bench('memory', 'another');
    expect(stderr).toContain('the bed did not open');
    expect(stdout).toContain('== another: FAILED: the bed did not open');
    expect(stdout).toContain('PASS   MB');
    expect(status).toBe(1);
    expect(existsSync(join(folder, 'results/another.json'))).toBe(false);
  });

  it('refuses a part that there is not, and names those that there are, in their order', () => {
    const { status, stderr } = bench('latencies');
    expect(stderr).toBe('error: no part "latencies": there are latency, memory, another\n');
    expect(status).toBe(2);
    expect(bench('--list').stdout).toBe('latency\nmemory\nanother\n');
    expect(bench('--slow').status).toBe(2);
  });
});
