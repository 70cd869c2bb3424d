// What each stage of an event's way costs by itself: the core's microbenchmarks, as divan prints them.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median } from '../figures.mjs';

export const title = 'Microbenchmarks of the core: what each stage costs by itself';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const UNITS = { ns: 1, µs: 1e3, ms: 1e6, s: 1e9 };
const REGISTRY_AT_MOST = 2.0;
const FEW = 10;
const MANY = 10_000;

const rounded = (value) => Math.round(value * 1000) / 1000;

/** What a benchmark is about, by divan's name of it. */
const SUBJECTS = {
  parse_device: 'uevent of a usb_device read',
  parse_interface: 'uevent of an interface read, and passed over',
  parse_foreign: 'uevent of another subsystem read, and passed over',
  describe: 'device described, strings included (files in a temporary folder)',
  registry_pair: 'registry, an attach and a detach; others connected:',
  announcer_pair: 'announcer, hub, delivery and intake, an attach and a detach; others connected:',
  store_in_memory: 'outbox in memory, one commit; events in it:',
  store_in_file: 'outbox in a file, one commit; events in it:',
  encode_entry: "stream entry's fields written",
  encode_info: 'USBDeviceInfo written as JSON',
};

function nanoseconds(text) {
  const [, number, unit] = /^([\d.]+) (ns|µs|ms|s)$/.exec(text.trim());
  return Number(number) * UNITS[unit];
}

/** Reads divan's tree: a group, a benchmark or an argument in each line, with figures where something was measured. */
export function readDivan(text) {
  const found = [];
  let parent = null;
  for (const line of text.split('\n')) {
    const row = /^[│\s]*[├╰]─\s*(?<name>\S+)\s+(?<rest>.*)$/.exec(line)?.groups;
    if (!row) continue;
    const { name } = row;
    const [fastest, , middle, mean] = row.rest.split('│').map((cell) => cell.trim());
    if (fastest === '') {
      parent = name;
      continue;
    }
    const isArgument = /^\d+$/.test(name);
    found.push({
      benchmark: isArgument ? parent : name,
      argument: isArgument ? Number(name) : null,
      fastest: nanoseconds(fastest),
      median: nanoseconds(middle),
      mean: nanoseconds(mean),
    });
  }
  return found;
}

/** The benchmarks come in the order in which an event meets them. */
function inOrder(rows) {
  const order = Object.keys(SUBJECTS);
  const place = ({ benchmark }) => order.indexOf(benchmark);
  return rows.toSorted((one, other) => place(one) - place(other) || one.argument - other.argument);
}

export async function run({ quick, log }) {
  const rounds = quick ? 1 : 3;
  const all = [];
  for (let round = 0; round < rounds; round += 1) {
    log(`cargo bench, round ${round + 1} of ${rounds}`);
    // The first one builds, which takes minutes.
    const { stdout } = await promisify(execFile)('cargo', ['bench', '-p', 'usb-daemon-core'], { cwd: checkout, maxBuffer: 1 << 24 });
    all.push(inOrder(readDivan(stdout)));
  }
  const missing = Object.keys(SUBJECTS).filter((name) => !all[0].some(({ benchmark }) => benchmark === name));
  if (missing.length > 0) throw new Error(`cargo bench has not measured ${missing.join(', ')}`);
  const rows = all[0].map((row, at) => ({
    ...row,
    median: median(all.map((round) => round[at].median)),
    fastest: median(all.map((round) => round[at].fastest)),
  }));
  return { tables: [table(rows)], checks: [registryCheck(all)], plots: [], data: { rounds: all } };
}

function table(rows) {
  return {
    caption: 'Each stage by itself, everything warm (medians of rounds)',
    head: ['stage', 'median, µs', 'fastest, µs'],
    rows: rows.map(({ benchmark, argument, ...row }) => [
      `${SUBJECTS[benchmark] ?? benchmark}${argument === null ? '' : ` ${argument}`}`,
      rounded(row.median / 1e3),
      rounded(row.fastest / 1e3),
    ]),
  };
}

function registryCheck(all) {
  const cost = (round, count) => round.find(({ benchmark, argument }) => benchmark === 'registry_pair' && argument === count).median;
  const value = rounded(median(all.map((round) => cost(round, MANY) / cost(round, FEW))));
  return { name: 'a pair in the registry beside 10,000 connected, of one beside 10', value, atMost: REGISTRY_AT_MOST };
}
