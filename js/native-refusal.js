'use strict';

// Says why no addon loads here, and what to do about it. Read only where that has happened.

const { dirname, join } = require('node:path');
const { existsSync } = require('node:fs');
const { OLDEST_GLIBC, OLDEST_NODE, PLATFORMS, packageOf } = require('./platforms.js');

const INSTALL_AGAIN = 'remove node_modules and install again on this machine';

/** The libc of this process: { name, version }; undefined where there is but one. */
function libcHere() {
  if (process.platform !== 'linux') return undefined;
  const { header, sharedObjects } = process.report.getReport();
  if (header.glibcVersionRuntime) return { name: 'glibc', version: header.glibcVersionRuntime };
  return sharedObjects.some((file) => /ld-musl-|libc\.musl-/.test(file)) ? { name: 'musl' } : { name: 'an unknown libc' };
}

/** The packages of other platforms that lie where this one's would. */
function strangers(here) {
  const scope = dirname(dirname(__dirname));
  return PLATFORMS.filter((each) => !here.includes(each)).map(packageOf).filter((name) => existsSync(join(scope, name.split('/')[1])));
}

/** The cause and what to do, for what the dynamic linker said of the package that fits. */
function ofLinker(message, libc) {
  const asked = /version [`']GLIBC_([\d.]+)' not found/.exec(message)?.[1];
  if (asked) {
    return `It needs glibc ${asked} or newer${libc?.version ? `, and this is ${libc.version}` : ''}: use a system with glibc ${OLDEST_GLIBC} or newer (Debian 10, RHEL 8, Ubuntu 20.04)`;
  }
  const missing = /(?:Error loading shared library|error while loading shared libraries:)?\s*([\w+.-]+\.so[.\d]*): (?:cannot open shared object file|No such file)/.exec(message)?.[1];
  if (missing) return `It needs the library ${missing}, which is not there: install the system's package that has it`;
  if (/symbol not found|undefined symbol/.test(message)) return 'It needs a symbol that the libc or the Node of this process does not have: use newer ones';
  if (/failed to map segment|not permitted/i.test(message)) return 'Its file may not be executed: is the file system mounted with noexec?';
  return `Its file cannot be loaded (is it whole?): ${INSTALL_AGAIN}`;
}

function causeAndRemedy(here, attempts, libc) {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) < OLDEST_NODE) return `Node ${node} is too old: use Node ${OLDEST_NODE} or newer`;
  if (here.length === 0) {
    const all = PLATFORMS.map(({ name }) => name).join(', ');
    return `There are packages for ${all} only. With Rust it can be built in a checkout: "npm run build"`;
  }
  const fitting = here.find((each) => !each.libc || each.libc === libc?.name);
  if (!fitting) return `There is no package for ${process.platform} ${process.arch} with ${libc.name}: use a system with ${here[0].libc}`;
  const name = packageOf(fitting);
  const failed = attempts.find(({ candidate, error }) => candidate.endsWith(fitting.name) && error.code !== 'MODULE_NOT_FOUND');
  if (failed) return `${name} is installed and does not load. ${ofLinker(failed.error.message, libc)}`;
  if (existsSync(join(dirname(__dirname), 'Cargo.toml'))) return 'This checkout has not been built: "npm run build"';
  const others = strangers([fitting]);
  if (others.length > 0) {
    return `${others.join(' and ')} is installed, ${name} is not: node_modules comes from another platform. Remedy: ${INSTALL_AGAIN}`;
  }
  return (
    `${name} is not installed. Either optional dependencies were left out (--omit=optional, --no-optional, an .npmrc that says so): ` +
    'install again with them. Or package-lock.json was written on another platform and names only its own (npm\'s issue 4828): ' +
    'remove package-lock.json and node_modules, and install again'
  );
}

/** The error that `require` throws. `attempts`: what was tried, { candidate, error }. */
function refusal(here, attempts) {
  const libc = libcHere();
  const platform = [process.platform, process.arch, ...(libc ? [[libc.name, libc.version].filter(Boolean).join(' ')] : [])].join(', ');
  const tried = attempts.map(({ candidate, error }) => `${candidate}: ${error.code === 'MODULE_NOT_FOUND' ? 'not there' : error.message}`);
  const message = [
    `@autoweave/usb-daemon has no addon that loads here (${platform}, Node ${process.versions.node}).`,
    `${causeAndRemedy(here, attempts, libc)}.`,
    ...(tried.length > 0 ? [`Tried: ${tried.join('; ')}`] : []),
  ].join(' ');
  return Object.assign(new Error(message), { code: 'ERR_USB_ADDON' });
}

module.exports = { refusal };
