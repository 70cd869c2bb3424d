// JavaScript as it is shipped: six files in the place of forty, each of which takes Node half a millisecond to find, to read and to compile. Names
// and lines stay readable: a stack trace of a user's is to be read.

import { readdirSync } from 'node:fs';
import { rolldown } from 'rolldown';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { checkout } from './addons.mjs';

/** Each is written by itself, with what it asks for that is none of these. */
const WRITTEN = ['index.js', 'usb.js', 'js/asked.js', 'js/telemetry.js', 'js/native.js', 'js/native-refusal.js'];
/** They keep nothing: of others there must be but one. */
const MAY_BE_THERE_TWICE = [
  'js/argument-reading.js',
  'js/by-signature.js',
  'js/device-values.js',
  'js/event-id.js',
  'js/failure.js',
  'js/nearest.js',
  'js/plain-object.js',
  'js/platforms.js',
  'js/same-unit.js',
  'js/tell.js',
];

/** Whether a file of the package is written here and not copied. */
export const isBundled = (path) => WRITTEN.includes(path) || /^js\/.*\.js$/.test(path);

/**
 * Each file is a function in the bundle, and each of them is called at once: V8 is told so by parentheses around `function`. An arrow function it reads
 * twice (Node 20), which is a fifth of the time that `require` takes.
 */
const calledAtOnce = {
  name: 'called-at-once',
  renderChunk: (code) => code.replaceAll(/__commonJSMin\(\(\(([\w, ]*)\) => \{/g, '__commonJSMin((function ($1) {'),
};
const CALLED_AT_ONCE = /__commonJSMin\(\(function ?\(/g;

/** Writes the package's JavaScript into a folder. */
export async function bundle(folder) {
  const files = [];
  for (const path of WRITTEN) files.push(...(await write(folder, path)));
  const twice = files.filter((file, at) => files.indexOf(file) !== at && !MAY_BE_THERE_TWICE.includes(file));
  if (twice.length > 0) throw new Error(`${twice.join(', ')} would be there twice: see scripts/bundle.mjs`);
  const there = readdirSync(join(checkout, 'js'), { recursive: true }).map((name) => pathOf(join(checkout, 'js', name)));
  const left = there.filter((file) => file.endsWith('.js') && !files.includes(file));
  if (left.length > 0) throw new Error(`${left.join(', ')} would not be there: see scripts/bundle.mjs`);
}

/** Gives the checkout's files that this one consists of. */
async function write(folder, path) {
  const isOutside = (file) => file === 'package.json' || (file !== path && WRITTEN.includes(file));
  const build = await rolldown({
    cwd: checkout,
    input: join(checkout, path),
    platform: 'node',
    plugins: [calledAtOnce],
    external: (id, importer) => id.startsWith('@opentelemetry/') || isOutside(pathOf(importer ? resolve(dirname(importer), id) : id)),
  });
  const { output } = await build.write({ file: join(folder, path), format: 'cjs', strict: true, comments: false });
  await build.close();
  const [{ code, moduleIds }] = output;
  const files = moduleIds.filter((id) => id.startsWith(checkout)).map(pathOf);
  const wrapped = files.filter((file) => file !== path);
  if (output.length !== 1 || [...code.matchAll(CALLED_AT_ONCE)].length !== wrapped.length) throw new Error(`rolldown writes ${path} in another form: see scripts/bundle.mjs`);
  return files;
}

/** As the lists above have it. */
const pathOf = (file) => relative(checkout, file).split(sep).join('/');
