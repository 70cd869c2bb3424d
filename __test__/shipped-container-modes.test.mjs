// docs/CONTAINERS.md: each line of its table is a mode that kernel-containers.test.mjs shows, and says what that shows.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MODES } from './containers/modes.mjs';
import { packageRoot } from './daemon.mjs';

const page = readFileSync(join(packageRoot, 'docs/CONTAINERS.md'), 'utf8');
const table = page.split('\n').filter((line) => line.startsWith('|')).map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()));
const [head, , ...rows] = table;
const lines = rows.map((cells) => Object.fromEntries(head.map((name, at) => [name, cells[at]])));
const titleOf = ({ Test }) => Test.replaceAll('`', '');
const HEARD = { netlink: /^at once$/, woken: /^at once, departures/, interval: /^within `monitoring.interval`$/ };

it('has a line for each mode that is shown, and none for another', () => {
  expect(lines.map(titleOf).sort()).toEqual(MODES.map(({ name }) => name).sort());
});

it('is about a test that takes its names from the same list', () => {
  expect(readFileSync(join(packageRoot, '__test__/kernel-containers.test.mjs'), 'utf8')).toContain("describe.each(MODES)('$name'");
});

describe.each(lines)('$Mode', (line) => {
  const { backend, netlink, health, deviceNodes } = MODES.find(({ name }) => name === titleOf(line));

  it('says who hears it, how soon, and how healthy that is', () => {
    expect(line.By).toBe(`\`${backend}\``);
    expect(line.Heard).toMatch(HEARD[backend === 'netlink' ? 'netlink' : deviceNodes ? 'woken' : 'interval']);
    expect(line['`/health`']).toBe(netlink === 'deaf' ? `\`${health}\`, netlink \`deaf\`` : `\`${health}\``);
  });
});
