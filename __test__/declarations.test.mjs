// The declarations, as an editor shows them: whatever is public says what it is, and can be named by whoever imports it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './daemon.mjs';

const TYPES = readdirSync(join(packageRoot, 'types')).map((name) => `types/${name}`);

/** Their names are the USB standard's and libusb's, which say what they are. */
function isNamedByStandard(name, parent) {
  return name.startsWith('LIBUSB_') || (parent.endsWith('Descriptor') && /^(b|bcd|bm|i|id|w)[A-Z]\w+$/.test(name));
}

function parsed(file) {
  return ts.createSourceFile(file, readFileSync(join(packageRoot, file), 'utf8'), ts.ScriptTarget.Latest, true);
}

function isPrivate(node) {
  const flags = ts.getCombinedModifierFlags(node);
  return (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;
}

function isOnOneLine(node, source) {
  const [from, to] = [node.getStart(), node.end].map((at) => source.getLineAndCharacterOfPosition(at).line);
  return from === to;
}

/** `[name, node]` of each public declaration of a file, members included. */
function* declarations(source) {
  const members = function* (nodes, parent) {
    for (const node of nodes) {
      if (isPrivate(node)) continue;
      const name = `${parent}.${node.name?.getText() ?? 'constructor'}`;
      yield [name, node];
      if (node.type) yield* literals(node.type, name);
    }
  };
  // A literal on one line has the comment of what it is the type of.
  const literals = function* (type, parent) {
    if (ts.isTypeLiteralNode(type)) {
      if (!isOnOneLine(type, source)) yield* members(type.members, parent);
    } else if (!ts.isFunctionTypeNode(type)) {
      for (const child of type.getChildren()) yield* literals(child, parent);
    }
  };
  const statements = function* (nodes, scope) {
    for (const node of nodes) {
      if (ts.isVariableStatement(node)) {
        for (const { name } of node.declarationList.declarations) yield [`${scope}${name.getText()}`, node];
      } else if (ts.isModuleDeclaration(node)) {
        const name = `${scope}${node.name.text}`;
        const merges = source.statements.some((other) => ts.isClassDeclaration(other) && other.name.text === node.name.text);
        if (!merges) yield [name, node];
        yield* statements(node.body.statements, `${name}.`);
      } else if (node.name) {
        const name = `${scope}${node.name.text}`;
        yield [name, node];
        if (node.members) yield* members(node.members, name);
        if (ts.isTypeAliasDeclaration(node)) yield* literals(node.type, name);
      }
    }
  };
  yield* statements(source.statements, '');
}

function isDocumented(node) {
  const said = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  return said.some(({ comment, tags }) => (comment ?? '').length > 0 || (tags ?? []).length > 0);
}

describe.each(['index.d.ts', 'usb.d.ts', 'js/consumer.d.ts', 'js/event-publisher.d.ts', ...TYPES])('%s', (file) => {
  const found = [...declarations(parsed(file))];

  it('has a comment on each public declaration and each member', () => {
    expect(found.length).toBeGreaterThan(3);
    const bare = found.filter(([name, node]) => {
      const [last, parent = ''] = name.split('.').reverse();
      return !isNamedByStandard(last, parent) && !isDocumented(node);
    });
    expect(bare.map(([name]) => name)).toEqual([]);
  });
});

it('every type that the declarations are made of can be imported, from a module and from CommonJS', () => {
  const exported = TYPES.flatMap((file) => parsed(file).statements).filter((node) => ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Export);
  const names = exported.map(({ name }) => name.text);
  expect(names).toContain('USBNumber');
  const of = (file) => readFileSync(join(packageRoot, file), 'utf8');
  const [, list] = /export type \{([^}]*)\};\n\}/.exec(of('index.d.ts'));
  const fromCommonJS = list.match(/\w+/g);
  const fromModule = [...of('index.d.mts').matchAll(/^export type (\w+)/gm)].map(([, name]) => name);
  expect(fromCommonJS).toEqual(expect.arrayContaining(names));
  expect(fromModule).toEqual(expect.arrayContaining(fromCommonJS));
});
