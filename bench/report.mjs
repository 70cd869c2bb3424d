// Tables and checks as text, and as markdown for docs/PERFORMANCE.md.

const shown = (value) => (typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(3))) : String(value ?? '–'));

/** A table with columns as wide as they must be: the first to the left, figures to the right. */
export function asText({ caption, head, rows }) {
  const lines = [head, ...rows].map((row) => row.map(shown));
  const widths = head.map((_, at) => Math.max(...lines.map((line) => [...(line[at] ?? '')].length)));
  const padded = (line) => line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('  ').trimEnd();
  return [caption, ...lines.map(padded)].join('\n');
}

/** Whether each value is within its bound. One that is no number is within none. */
export function judged(checks) {
  return checks.map((check) => ({ ...check, passed: !(Number.isNaN(check.value) || typeof check.value !== 'number') && check.value >= (check.atLeast ?? -Infinity) && check.value <= (check.atMost ?? Infinity) }));
}

const bound = ({ atLeast, atMost }) => [atLeast !== undefined && `at least ${atLeast}`, atMost !== undefined && `at most ${atMost}`].filter(Boolean).join(', ');

export function printed(checks) {
  return checks.map((check) => `${check.passed ? 'PASS  ' : 'MISSED'} ${check.name}: ${shown(check.value)} (${bound(check)})`).join('\n');
}

const markdownRow = (cells) => `| ${cells.map((cell) => shown(cell).replaceAll('|', '\\|')).join(' | ')} |`;

function markdownTable({ caption, head, rows }) {
  const rule = `|${head.map((_, at) => (at === 0 ? '---|' : '---:|')).join('')}`;
  return [`${caption}:`, '', markdownRow(head), rule, ...rows.map(markdownRow)].join('\n');
}

export function asMarkdown(outcomes) {
  return `${outcomes.map(asChapter).join('\n\n')}\n`;
}

function asChapter({ part, title, began, quick, error, tables = [], checks = [], plots = [] }) {
  const { date, commit, processor, processors, kernel, node, load } = began;
  const command = `npm run bench -- ${part}${quick ? ' --quick' : ''}`;
  const made = `\`${command}\` at ${commit}, ${date}: ${processors} × ${processor}, Linux ${kernel}, Node ${node}, load ${load[0].toFixed(1)} at its beginning.`;
  const rest = error === undefined ? tables.map(markdownTable) : [`It failed: ${error}`];
  if (checks.length > 0) {
    const rows = checks.map((check) => [check.name, check.value, bound(check), check.passed ? 'pass' : '**missed**']);
    rest.push(markdownTable({ caption: 'Checks', head: ['', 'value', 'bound', ''], rows }));
  }
  return [`## ${title}`, made, ...rest, ...plots.map((file) => `![${file.replace('.svg', '')}](${file})`)].join('\n\n');
}
