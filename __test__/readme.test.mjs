// What README.md has to paste: each block of JavaScript, as a program of its own, by the package's types.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { packageRoot } from './daemon.mjs';

const blocks = [...readFileSync(join(packageRoot, 'README.md'), 'utf8').matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block);
/** For a block that goes on with the daemon of the one before. */
const STARTED = "import { USBDaemon } from '@autoweave/usb-daemon';\nconst daemon = new USBDaemon();\n";

/** What the compiler says of them, as modules of a project that has the package. */
function faults(programs) {
  const project = mkdtempSync(join(tmpdir(), 'usb-daemon-readme-'));
  onTestFinished(() => rmSync(project, { recursive: true, force: true }));
  mkdirSync(join(project, 'node_modules/@autoweave'), { recursive: true });
  symlinkSync(packageRoot, join(project, 'node_modules/@autoweave/usb-daemon'));
  symlinkSync(join(packageRoot, 'node_modules/@types'), join(project, 'node_modules/@types'));
  const files = programs.map((program, index) => {
    writeFileSync(join(project, `${index}.mjs`), program);
    return `${index}.mjs`;
  });
  const flags = ['--noEmit', '--allowJs', '--checkJs', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  return spawnSync(process.execPath, [join(packageRoot, 'node_modules/.bin/tsc'), ...flags, ...files], { cwd: project, encoding: 'utf8' }).stdout;
}

it('has only programs that can be pasted', () => {
  expect(blocks.length).toBeGreaterThan(3);
  expect(faults(blocks.map((block) => (block.startsWith('import ') ? block : STARTED + block)))).toBe('');
});

it('would be found out where it had others', () => {
  expect(faults(["const { USBDaemon } = require('@autoweave/usb-daemon');\nawait new USBDaemon().open(signal);\n"])).toMatch(/'open' does not exist|Cannot find name 'signal'/);
});
