// THIRD-PARTY-LICENSES.txt of a platform's package: what cargo links into the addon there, and the texts that must go with it.
//
//   node scripts/notices.mjs [PLATFORM]      prints it, as the images and the Debian packages have it

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, realpathSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PLATFORMS, checkout, platformHere } from './addons.mjs';

const LICENSE_FILE = /^(licen[cs]e|copying|copyright|notice|unlicense)/i;
/** Of licenses that may be chosen from, the one with the shortest text. */
const CHOSEN = 'MIT';

const HEAD = `The addon of @autoweave/usb-daemon is under the license in the file LICENSE. Linked into it is the work of others, named here with the
texts that must go with it.

libusb, by the authors in its file AUTHORS, is under the GNU Lesser General Public License 2.1 (below) and is linked statically. You may
change it and link the addon again: all of the source, libusb's included (crate libusb1-sys, folder libusb), is public. In a checkout of
the version of this package, "cargo vendor" brings the sources, a [patch.crates-io] entry in Cargo.toml puts your libusb1-sys in the place
of the original, "npm run build" links, and js/*.node is the addon, to be put in the place of this package's. Changing it for your own use
and taking it apart to find the faults of such a change is allowed.

SQLite (crate libsqlite3-sys) is in the public domain. Rust's standard library is by the Rust Project Contributors, under the MIT license
or the Apache License 2.0; what LLVM's runtime libraries add is under the Apache License 2.0 with LLVM exceptions.

The names of vendors and products are those of the USB ID Repository (usb.ids, by way of the crate usb-ids), which may be had under the GNU
General Public License, version 2 or later, or the license with three clauses of the BSD. The latter was chosen:

Copyright (c) the maintainer and the contributors of the USB ID Repository

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the
   documentation and/or other materials provided with the distribution.
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote products derived from this
   software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED
TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO,
PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF
LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
`;

/** The crates that are linked into the addon: not those that only its build needs, nor macros. */
function linkedCrates(target) {
  const cargo = (...args) => execFileSync('cargo', [...args, '--locked'], { cwd: checkout, encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'inherit'] });
  const { packages } = JSON.parse(cargo('metadata', '--format-version', '1', '--filter-platform', target));
  const tree = cargo('tree', '--edges', 'normal,no-proc-macro', '--target', target, '--prefix', 'none', '--format', '{p}');
  // Behind the version it says where one of ours is, and of a crate that it has been shown before.
  const linked = new Set(tree.split('\n').map((line) => line.split(' ').slice(0, 2).join(' ')));
  // What has no source is ours.
  const crates = packages.filter(({ name, version, source }) => source !== null && linked.has(`${name} v${version}`));
  return crates.sort((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
}

/** The texts of a crate's license, as the crate has them; where it has none, the text that the license prescribes. */
function textsOf({ name, license, authors, manifest_path: manifest }) {
  const folder = dirname(manifest);
  const files = readdirSync(folder, { withFileTypes: true }).filter((each) => each.isFile() && LICENSE_FILE.test(each.name)).map((each) => each.name);
  const chosen = /\bOR\b|\//.test(license) ? files.filter((file) => file.includes(CHOSEN)) : [];
  const texts = (chosen.length > 0 ? chosen : files).map((file) => readFileSync(join(folder, file), 'utf8'));
  if (name === 'libusb1-sys') texts.push(...['AUTHORS', 'COPYING'].map((file) => readFileSync(join(folder, 'libusb', file), 'utf8')));
  if (texts.length > 0) return texts;
  if (license.includes('MIT')) return [mit(authors.length > 0 ? authors.join(', ') : `the authors of ${name}`)];
  if (license === 'Apache-2.0') return undefined;
  throw new Error(`the crate ${name} (${license}) brings no text of its license`);
}

/** The license of this project has the usual words. */
function mit(holders) {
  return readFileSync(join(checkout, 'LICENSE'), 'utf8').replace(/^Copyright .*$/m, `Copyright (c) ${holders}`);
}

const tidy = (text) => `${text.replaceAll('\r', '').replace(/[ \t]+$/gm, '').trim()}\n`;
const flat = (text) => text.replaceAll(/\s+/g, ' ').trim();
const isApache = (text) => /^\s*Apache License\s+Version 2\.0, January 2004/.test(text) && text.includes('APPENDIX');

const MIT_TERMS = tidy(readFileSync(join(checkout, 'LICENSE'), 'utf8').replace(/^[^]*?(?=Permission)/, ''));

/** Whose work a crate is, where its license is the MIT license word for word; undefined for any other. */
function holdersOf(text) {
  const [holders, ...terms] = text.split(/(?=Permission is hereby granted)/);
  return terms.length === 1 && flat(terms[0]) === flat(MIT_TERMS) ? holders.replace(/^\s*(The )?MIT License( \(MIT\))?\n/, '') : undefined;
}

/** Sections by what they say, each for all of its crates. */
class Sections {
  #sections = new Map();

  add(key, { name, version, license }, text) {
    const section = this.#sections.get(key) ?? { crates: new Set(), text };
    section.crates.add(`${name} ${version} (${license})`);
    this.#sections.set(key, section);
  }

  get texts() {
    return [...this.#sections.values()].map(({ crates, text }) => `${[...crates].join('\n')}\n${text === '' ? '' : `\n${text}`}`);
  }
}

export function noticesFor({ target }) {
  const others = new Sections();
  const underMit = new Sections();
  const crates = linkedCrates(target).map((crate) => ({ crate, texts: textsOf(crate) }));
  const apache = crates.flatMap(({ texts }) => texts ?? []).find(isApache);
  for (const { crate, texts } of crates) {
    if (!texts && !apache) throw new Error('no crate brings the text of the Apache License 2.0');
    for (const text of texts ?? [apache]) {
      const holders = holdersOf(text);
      if (holders !== undefined) underMit.add(flat(holders), crate, holders.trim() && tidy(holders));
      // This long text differs in how it is indented, or in a year that nobody filled in.
      else if (isApache(text)) others.add('Apache', crate, tidy(apache));
      else others.add(createHash('sha256').update(flat(text)).digest('hex'), crate, tidy(text));
    }
  }
  const rule = '-'.repeat(80);
  const mitSection = `The MIT License: of each of these the notice, and once the terms, which are the same.\n\n${underMit.texts.join('\n')}\n${MIT_TERMS}`;
  return [HEAD, ...[...others.texts, mitSection].map((text) => `${rule}\n${text}`)].join('\n');
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const name = process.argv[2] ?? platformHere().name;
  const platform = PLATFORMS.find((each) => each.name === name);
  if (!platform) throw new Error(`there is no platform ${name}: js/platforms.js lists those that are`);
  process.stdout.write(noticesFor(platform));
}
