// The image that deploy/container/Dockerfile gives, built by buildah and run without an engine.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../daemon.mjs';
import { Observer } from '../observe.mjs';

const scripts = join(packageRoot, 'scripts/container');
const run = (program, args) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 }).trim();
/** buildah on the store of scripts/container. */
const store = (...args) => run('sh', ['-c', 'checkout=$1; shift; . "$checkout/scripts/container/store.sh"; store "$@"', 'sh', packageRoot, ...args]);

/** Carries out the Dockerfile; `stages` as scripts/container/build.sh takes them. */
export function buildImage(stages) {
  if (process.getuid() !== 0) throw new Error('an image is built and run by root: run this as root or with sudo');
  const id = run('sh', [join(scripts, 'build.sh'), stages]);
  const { config } = JSON.parse(store('inspect', '--type', 'image', id)).Docker;
  const container = store('from', id);
  return new Image(config, container, store('mount', container));
}

class Image {
  #container
  #folder = mkdtempSync(join(tmpdir(), 'usb-daemon-image-'))

  constructor(config, container, root) {
    this.config = config;
    this.root = root;
    this.#container = container;
    this.state = join(this.#folder, 'state');
    // A volume has the owner of the folder that the image has there.
    mkdirSync(this.state);
    const [user, group] = config.User.split(':').map(Number);
    chownSync(this.state, user, group);
  }

  /** Puts a secret where compose puts it. */
  keepSecret(name, text) {
    const folder = join(this.root, 'run/secrets');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), text, { mode: 0o444 });
  }

  /** Runs the image's own program, with `env` beside its own variables. */
  start(env) {
    const variables = [...this.config.Env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
    const environment = join(this.#folder, 'environment');
    writeFileSync(environment, `${variables.join('\n')}\n`);
    const { Entrypoint, Cmd, User } = this.config;
    return new Running(this, variables, spawn('sh', [join(scripts, 'run.sh'), this.root, this.state, environment, User, ...Entrypoint, ...Cmd], { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  close() {
    rmSync(this.#folder, { recursive: true, force: true });
    store('rm', this.#container);
  }
}

class Running {
  #image
  #variables
  #child
  #stderr = ''

  constructor(image, variables, child) {
    this.#image = image;
    this.#variables = variables;
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text) => (this.#stderr += text));
    const lines = linesOf(child.stdout);
    this.exit = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    this.said = new Observer({ stdout: lines, exit: this.exit, stderrText: () => this.#stderr });
  }

  /** Process 1 of the container, by the host's number: unshare's only child. */
  get pid() {
    const { pid } = this.#child;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  }

  /** Runs a program in the container, as the image's user. */
  async exec(argv) {
    const [user, group] = this.#image.config.User.split(':');
    const enter = ['--target', String(this.pid), '--mount', '--pid', '--net', '--ipc', '--uts', '--root', '--wd=/', '/usr/bin/env', '-i', ...this.#variables];
    const drop = ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups', '--bounding-set=-all', '--no-new-privs', '--'];
    const child = spawn('nsenter', [...enter, ...drop, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', (text) => (said[stream] += text));
    const [code] = await once(child, 'close');
    return { code, ...said };
  }

  /** To process 1, as an engine sends it. */
  kill(signal) {
    process.kill(this.pid, signal);
  }

  end() {
    this.#child.kill('SIGKILL');
  }
}

async function* linesOf(stream) {
  let rest = '';
  for await (const text of stream.setEncoding('utf8')) {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    yield* lines;
  }
}
