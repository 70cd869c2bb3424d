// JavaScript as it is shipped: three files in the place of forty, each of which takes Node some 0.15 ms to find, to read and to compile.
// Names and lines stay readable: a stack trace of a user's is to be read.

import { rolldown } from 'rolldown';
import { join } from 'node:path';
import { checkout } from './addons.mjs';

const ENTRIES = ['index.js', 'usb.js'];
/** What finds the addon, and says why there is none, stays file by file: the command line loads nothing else. */
const LOADER = ['js/native.js', 'js/native-refusal.js', 'js/platforms.js'];

/** Whether a file of the package goes into the bundle, and is not there beside it. */
export const isBundled = (path) => ENTRIES.includes(path) || (/^js\/.*\.js$/.test(path) && !LOADER.includes(path));

/**
 * Each file is a function in the bundle, and each of them is called at once: V8 is told so by parentheses around `function`. An arrow function it reads
 * twice (Node 20), which is a fifth of the time that `require` takes.
 */
const calledAtOnce = {
  name: 'called-at-once',
  renderChunk(code) {
    const eager = code.replaceAll(/__commonJSMin\(\(\(([\w, ]*)\) => \{/g, '__commonJSMin((function ($1) {');
    if (/__commonJSMin\((?!\(function \()/.test(eager.replace(/__commonJSMin = /, ''))) throw new Error('rolldown wraps files in another form: see scripts/bundle.mjs');
    return eager;
  },
};

/** Writes the entries, and what they share, into a folder. */
export async function bundle(folder) {
  const outside = [...LOADER, 'package.json'].map((path) => join(checkout, path));
  const build = await rolldown({
    cwd: checkout,
    input: ENTRIES.map((path) => join(checkout, path)),
    platform: 'node',
    plugins: [calledAtOnce],
    external: (id) => id.startsWith('@opentelemetry/') || outside.some((path) => path.endsWith(id.replace(/^[./]*/, '/'))),
  });
  await build.write({ dir: folder, format: 'cjs', comments: false, chunkFileNames: 'js/[name].js' });
  await build.close();
}
