// JavaScript as it is shipped: four files in the place of forty, each of which takes Node some 0.15 ms to find, to read and to compile.
// Names and lines stay readable: a stack trace of a user's is to be read.

import { rolldown } from 'rolldown';
import { basename, join } from 'node:path';
import { checkout } from './addons.mjs';

const ENTRIES = ['index.js', 'usb.js'];
/** Read once a daemon is asked for something. Of the files below it has its own. */
const ASKED = 'js/asked.js';
/** They keep nothing: of others there must be but one. */
const MAY_BE_THERE_TWICE = ['argument-reading', 'by-signature', 'device-values', 'event-id', 'failure', 'nearest', 'plain-object', 'same-unit'];
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
    if (/__commonJSMin\((?!\(function \()/.test(eager)) throw new Error('rolldown wraps files in another form: see scripts/bundle.mjs');
    return eager;
  },
};

/** Writes the entries, what they share, and what is read later, into a folder. */
export async function bundle(folder) {
  const files = await write(folder, ENTRIES, [...LOADER, ASKED, 'package.json']);
  const again = (await write(folder, [ASKED], LOADER)).filter((file) => files.includes(file));
  const wrong = again.filter((file) => !MAY_BE_THERE_TWICE.includes(basename(file, '.js')));
  if (wrong.length > 0) throw new Error(`${wrong.join(', ')} would be there twice: see scripts/bundle.mjs`);
}

/** Gives the files that these entries consist of. */
async function write(folder, entries, outside) {
  const build = await rolldown({
    cwd: checkout,
    input: Object.fromEntries(entries.map((path) => [path.slice(0, -'.js'.length), join(checkout, path)])),
    platform: 'node',
    plugins: [calledAtOnce],
    external: (id) => id.startsWith('@opentelemetry/') || outside.some((path) => `/${path}`.endsWith(id.replace(/^[./]*/, '/'))),
  });
  const { output } = await build.write({ dir: folder, format: 'cjs', comments: false, chunkFileNames: 'js/[name].js' });
  await build.close();
  return output.flatMap(({ moduleIds }) => moduleIds).filter((id) => id.startsWith(checkout));
}
