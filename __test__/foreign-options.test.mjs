// Code for ioredis goes on working: each option of its types, and of Node's TLS, is ours, warned of, or refused with a reason.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { USBDaemon, packageRoot } from './daemon.mjs';

const { NativeDaemon } = createRequire(import.meta.url)(`${packageRoot}/js/native.js`);
const OURS = Object.keys(JSON.parse(NativeDaemon.configurationSchema()).properties.redis.anyOf.find(({ properties }) => properties).properties);
const OPTIONS = optionsOf();

/** The names that the types have, as installed. */
function optionsOf() {
  const file = join(packageRoot, '__test__/options.ts');
  const text = "import type { RedisOptions } from 'ioredis'; import type { ConnectionOptions } from 'node:tls'; export type ioredis = RedisOptions; export type tls = ConnectionOptions;";
  const options = { skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, types: ['node'] };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.getSourceFile = (name, ...rest) => (name === file ? ts.createSourceFile(name, text, ...rest) : getSourceFile.call(host, name, ...rest));
  host.fileExists = (name) => name === file || fileExists.call(host, name);
  const program = ts.createProgram([file], options, host);
  const checker = program.getTypeChecker();
  const types = program.getSourceFile(file).statements.filter(ts.isTypeAliasDeclaration);
  return Object.fromEntries(types.map(({ name, type }) => [name.text, checker.getPropertiesOfType(checker.getTypeAtLocation(type)).map((property) => property.name)]));
}

/** The warnings about a configuration that is taken. */
function warningsOf(redis) {
  return NativeDaemon.judge(JSON.stringify({ redis }));
}

it('the types are the ones that are meant', () => {
  expect(OPTIONS.ioredis).toEqual(expect.arrayContaining(['host', 'updateSentinels', 'keyPrefix', 'tls', 'lazyConnect']));
  expect(OPTIONS.tls).toEqual(expect.arrayContaining(['ca', 'servername', 'rejectUnauthorized', 'minVersion']));
});

it('each option of ioredis is ours or warned of', () => {
  const foreign = OPTIONS.ioredis.filter((name) => !OURS.includes(name));
  expect(foreign.length).toBeGreaterThan(40);
  for (const name of foreign) expect(warningsOf({ [name]: 1 }), name).toEqual([`redis.${name} is an option of ioredis that has no effect here`]);
});

it("each option of Node's TLS is ours or warned of", () => {
  const foreign = OPTIONS.tls.filter((name) => !['ca', 'cert', 'key', 'rejectUnauthorized'].includes(name));
  expect(foreign.length).toBeGreaterThan(25);
  for (const name of foreign) expect(warningsOf({ tls: { [name]: 1 } }), name).toEqual([`redis.tls.${name} is an option of Node's TLS that has no effect here`]);
  expect(warningsOf({ tls: { rejectUnauthorized: true } }), 'so it is').toEqual([]);
});

it('what would make TLS weaker is refused, with what to do instead', () => {
  expect(() => new USBDaemon({ redis: { tls: { rejectUnauthorized: false } } })).toThrow(/rejectUnauthorized is false, .*redis\.tls\.ca/);
});

it('a certificate may be a Buffer, alone or in a list', () => {
  const ca = Buffer.from(rootCertificates[0]);
  for (const given of [ca, [ca], [ca.toString(), ca]]) expect(() => new USBDaemon({ redis: { tls: { ca: given } } })).not.toThrow();
  expect(() => new USBDaemon({ redis: { tls: { ca: Buffer.from([0xff]) } } })).toThrow('redis.tls.ca is an object: expected a text');
});
