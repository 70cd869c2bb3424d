// What README.md has to paste: each block of JavaScript, as a program of its own, by the package's types; and the rights on a server.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { finished } from './command.mjs';
import { consume, DEAD, openConsumer, startedRedis } from './consumers.mjs';
import { packageRoot } from './daemon.mjs';
import { until } from './until.mjs';

const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block);
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

it.each(['7.0', '8.2'])('names rights that suffice for a daemon and for a consumer, on Redis %s', async (version) => {
  const server = await startedRedis({ version });
  const lines = readme.match(/^ACL SETUSER .*$/gm);
  expect(lines.map((line) => line.split(' ')[2])).toEqual(['usb', 'loader']);
  for (const line of lines) await server.client.call(...line.split(' '));
  const [, forDoctor] = /the user also needs `([^`]*)`/.exec(readme);
  const user = (name) => ({ REDIS_URL: `redis://${name}:PASSWORD@127.0.0.1:${server.port}` });

  expect((await finished(['simulate', '--rate', '50', '--redis-maxlen', '1'], { env: user('usb') })).code).toBe(0);
  await server.client.call('ACL', 'SETUSER', 'usb', ...forDoctor.split(' '));
  const { stdout } = await finished(['doctor', '--redis-maxlen', '1'], { env: user('usb') });
  expect(stdout).toContainEqual(expect.stringMatching(/^ok +redis rights +user "usb" may do all that is needed$/));

  const redis = { username: 'loader', password: 'PASSWORD' };
  const consumer = openConsumer(server, { redis, claim_idle_ms: 1000, max_attempts: 1 });
  consume(consumer, async () => { throw new Error('no'); });
  await until(async () => (await server.client.xlen(DEAD)) > 0, 'a dead letter');
  await consumer.stop();
  expect(consumer.told.errors).toEqual([]);
  const refused = (await server.client.call('ACL', 'LOG')).map((entry) => entry[entry.indexOf('object') + 1]);
  // Which is asked for by the way.
  expect(refused.filter((command) => command !== 'client|setinfo')).toEqual([]);
});
