// JavaScript as it is shipped: four files in the place of forty, each of which takes Node some 0.15 ms to find, to read and to compile, and three
// that find the addon. Names and lines stay readable: a stack trace of a user's is to be read.

import { rolldown } from 'rolldown';
import { dirname, join, relative, resolve } from 'node:path';
import { checkout } from './addons.mjs';

const ENTRIES = ['index.js', 'usb.js'];
/** Read once a daemon has started or is asked for something. Of the files below it has its own. */
const ASKED = 'js/asked.js';
/** They keep nothing: of others there must be but one. */
const MAY_BE_THERE_TWICE = ['argument-reading', 'by-signature', 'device-values', 'event-id', 'failure', 'nearest', 'plain-object', 'same-unit'].map((name) => `js/${name}.js`);
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
  renderChunk: (code) => code.replaceAll(/__commonJSMin\(\(\(([\w, ]*)\) => \{/g, '__commonJSMin((function ($1) {'),
};
const CALLED_AT_ONCE = /__commonJSMin\(\(function ?\(/g;

/** Writes the entries, what they share, and what is read later, into a folder. */
export async function bundle(folder) {
  const files = await write(folder, ENTRIES, [...LOADER, ASKED, 'package.json']);
  const again = (await write(folder, [ASKED], LOADER)).filter((file) => files.includes(file));
  const wrong = again.filter((file) => !MAY_BE_THERE_TWICE.includes(file));
  if (wrong.length > 0) throw new Error(`${wrong.join(', ')} would be there twice: see scripts/bundle.mjs`);
}

/** Gives the files that these entries consist of. */
async function write(folder, entries, outside) {
  const build = await rolldown({
    cwd: checkout,
    input: Object.fromEntries(entries.map((path) => [path.slice(0, -'.js'.length), join(checkout, path)])),
    platform: 'node',
    plugins: [calledAtOnce],
    external: (id, importer) => id.startsWith('@opentelemetry/') || outside.includes(pathOf(importer ? resolve(dirname(importer), id) : id)),
  });
  const { output } = await build.write({ dir: folder, format: 'cjs', strict: true, comments: false, chunkFileNames: 'js/[name].js' });
  await build.close();
  return output.flatMap(filesOf);
}

/** The checkout's files in a file as it has been written, each of them as it is meant to be. */
function filesOf({ fileName, code, moduleIds, facadeModuleId }) {
  const files = moduleIds.filter((id) => id.startsWith(checkout));
  const wrapped = files.filter((id) => id !== facadeModuleId);
  if ([...code.matchAll(CALLED_AT_ONCE)].length !== wrapped.length) throw new Error(`rolldown wraps the files of ${fileName} in another form: see scripts/bundle.mjs`);
  return files.map(pathOf);
}

const pathOf = (file) => relative(checkout, file);
