// A path that has nothing but what npm and its launcher need: no compiler, no build tool, no Rust.

import { execFileSync } from 'node:child_process';
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

export const ON_THE_PATH = ['node', 'npm', 'sh', 'env'];
export const COMPILERS = ['cc', 'c++', 'gcc', 'g++', 'clang', 'ld', 'cargo', 'rustc', 'make', 'cmake', 'python', 'python3', 'node-gyp', 'pkg-config'];

/** Makes a folder that has links to these programs, to be the only one of a PATH. */
export function barePath(folder) {
  mkdirSync(folder);
  for (const name of ON_THE_PATH) {
    const found = name === 'node' ? process.execPath : execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    symlinkSync(realpathSync(found), join(folder, name));
  }
  return folder;
}
