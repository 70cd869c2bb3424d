// Writes docs/CONFIGURATION.md from the addon's own schema and defaults, so that the table cannot say anything else.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { NativeDaemon } = createRequire(import.meta.url)('../js/native.js');

const HEAD = `# Configuration

The keys of \`new USBDaemon(config)\` and of the file that \`usb-daemon --config\` reads. Made from the schema in
\`crates/core/src/config\` by \`node scripts/configuration.mjs\`; an unknown key or a bad value is an error (\`ERR_USB_CONFIG\`) that
names all that is wrong at once. On the command line \`--set path=value\` sets any of them, and \`USB_DAEMON_SET\` several, one a
line; the value is JSON, or else a text. \`usb-daemon config\` shows where each comes from.

| Key | Type | Default | |
|---|---|---|---|
`;

const variantsOf = (schema) => schema.anyOf ?? schema.oneOf ?? [];

function typeOf(schema) {
  const words = schema.enum ?? (variantsOf(schema).every((variant) => 'const' in variant) ? variantsOf(schema).map((variant) => variant.const) : []);
  if (words.length > 0) return words.map((word) => `\`${JSON.stringify(word)}\``).join(', ');
  if ('const' in schema) return `\`${schema.const}\``;
  if (variantsOf(schema).length > 0) return [...new Set(variantsOf(schema).map(typeOf))].filter(Boolean).join(' or ');
  if (schema.type === 'array' || schema.type?.includes?.('array')) return `list of ${typeOf(schema.items)}`;
  if (schema.format === 'usb-id') return 'hex digits';
  const names = [schema.type].flat().filter((name) => name !== 'null');
  const { minimum, maximum } = schema;
  const range = minimum === undefined ? '' : ` ${minimum} to ${maximum ?? '…'}`;
  return names.map((name) => (name === 'integer' || name === 'number' ? `${name}${range}` : name)).join(' or ');
}

function* rowsOf(schema, defaults, path = '') {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (key === '$schema') continue;
    const at = path ? `${path}.${key}` : key;
    const value = defaults?.[key] ?? property.default;
    const hasParts = typeof value === 'object' && !Array.isArray(value);
    const shown = value === undefined || hasParts ? '' : `\`${JSON.stringify(value)}\``;
    yield `| \`${at}\` | ${typeOf(property)} | ${shown} | ${(property.description ?? '').replace(/\s+/g, ' ').replaceAll('|', '\\|')} |`;
    for (const part of [property, ...variantsOf(property)]) {
      yield* rowsOf(part, hasParts ? value : undefined, at);
      if (part.items?.properties) yield* rowsOf(part.items, undefined, `${at}[]`);
    }
  }
}

/** The whole page. */
export function page() {
  const schema = JSON.parse(NativeDaemon.configurationSchema());
  const defaults = JSON.parse(NativeDaemon.defaultConfiguration());
  return `${HEAD}${[...rowsOf(schema, defaults)].join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(new URL('../docs/CONFIGURATION.md', import.meta.url), page());
