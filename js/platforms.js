'use strict';

// The platforms that have a package of their own: what npm decides by (os, cpu, libc), and the target that Rust knows it by. The loader,
// the build, the packing and npm/*/package.json go by this table.

/** The oldest that the addon runs with. */
const OLDEST_GLIBC = '2.28';
const OLDEST_NODE = 20;

const PLATFORMS = [
  { name: 'linux-x64-gnu', os: 'linux', cpu: 'x64', libc: 'glibc', target: 'x86_64-unknown-linux-gnu' },
  { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl', target: 'x86_64-unknown-linux-musl' },
  { name: 'linux-arm64-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc', target: 'aarch64-unknown-linux-gnu' },
  { name: 'linux-arm64-musl', os: 'linux', cpu: 'arm64', libc: 'musl', target: 'aarch64-unknown-linux-musl' },
  { name: 'linux-arm-gnueabihf', os: 'linux', cpu: 'arm', libc: 'glibc', target: 'armv7-unknown-linux-gnueabihf' },
  { name: 'darwin-x64', os: 'darwin', cpu: 'x64', target: 'x86_64-apple-darwin' },
  { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64', target: 'aarch64-apple-darwin' },
  { name: 'win32-x64-msvc', os: 'win32', cpu: 'x64', target: 'x86_64-pc-windows-msvc' },
  { name: 'win32-arm64-msvc', os: 'win32', cpu: 'arm64', target: 'aarch64-pc-windows-msvc' },
];

const packageOf = ({ name }) => `@autoweave/usb-daemon-${name}`;
const fileOf = ({ name }) => `usb-daemon.${name}.node`;

module.exports = { OLDEST_GLIBC, OLDEST_NODE, PLATFORMS, fileOf, packageOf };
