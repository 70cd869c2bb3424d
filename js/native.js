'use strict';

// Loads the addon: the one built in this checkout, else the one of the package for this platform. Both libcs of Linux are
// tried in turn, because finding out which one it is costs more than a failed attempt.

const { arch, platform } = process;

function variants() {
  if (platform === 'linux') return arch === 'arm' ? ['gnueabihf', 'musleabihf'] : ['gnu', 'musl'];
  return platform === 'win32' ? ['msvc'] : [];
}

function candidates() {
  const names = variants().map((libc) => `${platform}-${arch}-${libc}`);
  if (names.length === 0) names.push(`${platform}-${arch}`);
  return [
    ...names.map((name) => `./usb-daemon.${name}.node`),
    ...names.map((name) => `@autoweave/usb-daemon-${name}`),
  ];
}

function load() {
  const refusals = [];
  for (const candidate of candidates()) {
    try {
      return require(candidate);
    } catch (error) {
      refusals.push(error.code === 'MODULE_NOT_FOUND' ? `${candidate}: not there` : `${candidate}: ${error.message}`);
    }
  }
  const { glibcVersionRuntime } = platform === 'linux' ? process.report.getReport().header : {};
  const libc = platform === 'linux' ? (glibcVersionRuntime ? `, glibc ${glibcVersionRuntime}` : ', musl') : '';
  throw Object.assign(
    new Error(
      `@autoweave/usb-daemon has no addon that loads on ${platform} ${arch}${libc}. Install it again without ` +
        `--omit=optional, or build it in a checkout with "npm run build". Tried: ${refusals.join('; ')}`,
    ),
    { code: 'ERR_USB_ADDON' },
  );
}

module.exports = load();
