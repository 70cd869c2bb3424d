// Programs that cannot be here (gh, docker, helm), as scripts that write down what they were asked and answer what a test says.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** `answers`: a shell script for each program, to be run after the call has been written down. */
export function standIns(folder, answers) {
  const bin = join(folder, 'bin');
  const log = join(folder, 'calls');
  mkdirSync(bin);
  for (const [name, answer] of Object.entries(answers)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n{ printf '%s' "${name}"; printf ' %s' "$@"; echo; } >>'${log}'\n${answer}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return {
    env: { PATH: `${bin}${delimiter}${process.env.PATH}` },
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}
