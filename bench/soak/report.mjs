// A course as a table and as plots.

import { FLAT, WARM } from './course.mjs';
import { earlyGrowth, lateGrowth, plain } from './judgement.mjs';

const KB = 1024;
const SERIES = [
  ['rss', 'RSS', KB],
  ['collectedRss', 'RSS, collected', KB],
  ['settledHeap', 'heap after a collection', KB],
  ['heapUsed', 'heap', KB],
  ['settledExternal', 'external', KB],
  ['descriptors', 'descriptors', 1],
  ['threads', 'threads', 1],
  ['engine', 'of the engine', 1],
  ['resources', 'timers, handles', 1],
  ['store', 'outbox', KB],
  ['wal', 'WAL', KB],
  ['stream', 'stream', 1],
  ['lag', 'lag', 1],
];

/** Samples every tenth of the course, and at the ends of what is judged, where the process is asked. */
export function tablesOf(course) {
  const { samples, pairs, seconds, atStart, bare } = course;
  const shown = new Set([WARM, FLAT, pairs].map((at) => samples.find((sample) => sample.pairs >= at)));
  for (let tenth = 1; tenth < 10; tenth += 1) shown.add(samples.find((sample) => sample.pairs >= (pairs / 10) * tenth));
  const row = (name, sample) => [name, ...SERIES.map(([series, , unit]) => (sample[series] === undefined ? '–' : Math.round(sample[series] / unit)))];
  const rate = Math.round((pairs * 2) / seconds);
  const growth = (name, value) => [name, ...SERIES.map(([series, , unit]) => rounded(value(series) / unit))];
  return [
    {
      caption: `${pairs} pairs in ${Math.round(seconds)} s (${rate} events/s with the samples); KB and numbers; lag: events not published when the last one of a chunk was sent`,
      head: ['after pairs', ...SERIES.map(([, title]) => title)],
      rows: [
        row('bare Node', bare),
        row('start', atStart),
        ...[...shown].filter(Boolean).toSorted((one, other) => one.pairs - other.pairs).map((sample) => row(sample.pairs, sample)),
        growth(`${WARM} to ${FLAT}, medians`, (series) => earlyGrowth(course, series)),
        growth(`${WARM} to ${FLAT}, as read`, (series) => plain(course, series, FLAT) - plain(course, series, WARM)),
        ...(pairs > FLAT ? [growth(`${FLAT} to the end, medians`, (series) => lateGrowth(course, series))] : []),
        ...(pairs > FLAT ? [growth(`${FLAT} to the end, as read`, (series) => plain(course, series, pairs) - plain(course, series, FLAT))] : []),
      ],
    },
    { caption: 'RSS by what is mapped, KB', head: ['', 'bare Node', 'start', 'end'], rows: mappingRows(bare.mappings, atStart.mappings, course.mappings) },
  ];
}

const rounded = (value) => (Number.isFinite(value) ? Math.round(value) : '–');

/** Mappings that differ from bare Node's by more than this, in KB, have a row of their own. */
const NOTABLE = 100;

function mappingRows(bare, start, end) {
  const names = [...new Set([bare, start, end].flatMap((sizes) => Object.keys(sizes)))];
  const sizesOf = (name) => [bare, start, end].map((sizes) => Math.round((sizes[name] ?? 0) / KB));
  const rows = names.map((name) => [shorter(name), ...sizesOf(name)]);
  const notable = rows.filter(([, first, ...others]) => others.some((size) => Math.abs(size - first) >= NOTABLE)).toSorted((one, other) => other[3] - other[1] - (one[3] - one[1]));
  const rest = rows.filter((row) => !notable.includes(row));
  const sum = (of) => [1, 2, 3].map((at) => of.reduce((total, row) => total + row[at], 0));
  return [...notable, ['the rest', ...sum(rest)], ['all', ...sum(rows)]];
}

/** Without the folder, in which nothing matters here. */
function shorter(mapping) {
  const at = mapping.lastIndexOf(' ');
  return `${mapping.slice(0, at).split('/').at(-1)} ${mapping.slice(at + 1)}`;
}

/** Vega-lite specifications: memory, descriptors and threads, and the store, against the number of pairs. */
export function plotsOf({ samples, bare }, prefix = 'soak') {
  const plot = (name, title, series) => ({ name: `${prefix}-${name}`, spec: lines(samples, title, series) });
  return [
    plot('memory', 'MB', [
      ['rss', 'RSS', KB * KB],
      ['collectedRss', 'RSS, collected', KB * KB],
      ['anonymous', 'RSS, of no file', KB * KB],
      ['settledHeap', 'V8 heap after a collection', KB * KB],
      [() => bare.rss, 'RSS of bare Node', KB * KB],
    ]),
    plot('handles', 'number', [
      ['descriptors', 'file descriptors', 1],
      ['threads', 'threads', 1],
      ['engine', 'threads of the engine', 1],
      ['resources', 'timers and handles', 1],
    ]),
    plot('store', 'MB, and thousands of entries', [
      ['store', 'outbox file, MB', KB * KB],
      ['wal', 'write-ahead log, MB', KB * KB],
      ['stream', 'stream, thousands', 1_000],
    ]),
  ];
}

function lines(samples, title, series) {
  const valueOf = (sample, of) => (typeof of === 'function' ? of(sample) : sample[of]);
  const values = series.flatMap(([of, name, unit]) =>
    samples.filter((sample) => valueOf(sample, of) !== undefined).map((sample) => ({ pairs: sample.pairs, series: name, value: valueOf(sample, of) / unit })),
  );
  return {
    width: 640,
    height: 320,
    data: { values },
    mark: 'line',
    encoding: {
      x: { field: 'pairs', type: 'quantitative', title: 'pairs of attach and detach' },
      y: { field: 'value', type: 'quantitative', title },
      color: { field: 'series', type: 'nominal', title: null, sort: series.map(([, name]) => name) },
    },
  };
}
