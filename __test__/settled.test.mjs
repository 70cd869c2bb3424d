// When a promise of handleDeviceAttach or handleDeviceDetach has settled, the event is told, visible and in the outbox's file: the
// process that awaited it is killed in that very moment.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { finished, stateFolder } from './command.mjs';

const ROUNDS = 20;
const program = fileURLToPath(new URL('./settled-and-killed.cjs', import.meta.url));

it(`what ${ROUNDS} processes awaited before they were killed is told, visible and stored`, async () => {
  const path = join(stateFolder(), 'outbox.db');
  for (let round = 1; round <= ROUNDS; round += 1) {
    const action = round % 2 === 0 ? 'detach' : 'attach';
    const serial = `KILLED-${round}`;
    const { signal, stdout, stderr } = spawnSync(process.execPath, [program, path, action, serial], { encoding: 'utf8' });
    expect({ round, signal, stdout, stderr }).toEqual({ round, signal: 'SIGKILL', stdout: '', stderr: '' });
    // Before any other daemon has the file, which would end what was attached.
    const tail = await finished(['tail', '--outbox', path, '--json']);
    expect(tail.code).toBe(0);
    const stored = tail.stdout.map((line) => JSON.parse(line)).filter(({ info }) => info.serialNumber === serial);
    expect(stored.map(({ type }) => type)).toEqual(action === 'attach' ? ['attach'] : ['attach', 'detach']);
  }
});
