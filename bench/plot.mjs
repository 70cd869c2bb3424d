// Plots: vega-lite specifications drawn as SVG, without a browser.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What every plot looks like: readable on light and dark pages alike. */
const LOOK = { background: 'white', config: { view: { stroke: 'transparent' }, axis: { gridOpacity: 0.5 }, legend: { labelLimit: 0 } } };

/** Draws a vega-lite specification; `modules` is the `node_modules` folder that has vega and vega-lite. */
export async function drawSvg(spec, modules) {
  const [vega, vegaLite] = await Promise.all(['vega', 'vega-lite'].map((name) => load(modules, name)));
  const { spec: compiled } = vegaLite.compile({ ...LOOK, ...spec });
  return new vega.View(vega.parse(compiled), { renderer: 'none' }).toSVG();
}

/** Both are ES modules, which are not found by way of a folder. */
async function load(modules, name) {
  const folder = join(modules, name);
  const { exports, module, main } = createRequire(import.meta.url)(join(folder, 'package.json'));
  const root = exports?.['.'] ?? exports;
  const entry = typeof root === 'string' ? root : (root?.default ?? root?.import ?? module ?? main);
  return import(pathToFileURL(join(folder, entry)).href);
}
