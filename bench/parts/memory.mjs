// Memory: what this package takes above bare Node, and by how much it grows over 11,000 pairs, beside the peers; by the soak's own program.

import { peerFolder } from '../peers.mjs';
import { FLAT, WARM, runCourse } from '../soak/course.mjs';
import { earlyGrowth, memoryChecks, plain } from '../soak/judgement.mjs';
import { plotsOf } from '../soak/report.mjs';

export const title = 'Memory: above bare Node, and what 11,000 pairs add';

const KB = 1024;
const MB = 1024 * KB;
const OURS = 'usb-daemon, Redis and outbox on';
/** Entries are kept for them: without, they lose most events, and hold less. */
const PEERS = { 'usb 2': 'usb2', 'usb 3': 'usb3', 'usb-detection': 'usb-detection', 'former path to Redis': 'former' };

function row(name, course) {
  const { atStart, bare } = course;
  const rounded = (value) => (Number.isFinite(value) ? Math.round(value) : '–');
  return [
    name,
    Number(((atStart.rss - bare.rss) / MB).toFixed(1)),
    rounded(earlyGrowth(course, 'rss') / KB),
    rounded((plain(course, 'rss', FLAT) - plain(course, 'rss', WARM)) / KB),
    rounded((plain(course, 'rss', FLAT) - atStart.rss) / KB),
    rounded(earlyGrowth(course, 'settledHeap') / KB),
    course.account.heard.attach + course.account.heard.detach,
  ];
}

export async function run({ quick, log, folder }) {
  const peers = await peerFolder(folder);
  const ours = await runCourse({ pairs: FLAT, udevd: true });
  const rows = [row(OURS, ours)];
  log(`${OURS}: ${ours.seconds.toFixed(0)} s`);
  const courses = { [OURS]: ours };
  for (const [name, subject] of quick ? [] : Object.entries(PEERS)) {
    const options = ({ server }) => ({ peers, redis: { path: server.socket } });
    const course = await runCourse({ pairs: FLAT, subject, options, entry: 'kept', udevd: true }).catch((error) => log(`${name}: ${error.message}`));
    if (!course) continue;
    courses[name] = course;
    rows.push(row(name, course));
    log(`${name}: ${course.seconds.toFixed(0)} s`);
  }
  return {
    tables: [
      {
        caption: `RSS; events as fast as this package publishes them, ${FLAT} pairs`,
        head: ['', 'above bare Node at start, MB', `growth ${WARM} to ${FLAT} pairs, medians, KB`, 'the same, as read, KB', `growth start to ${FLAT}, KB`, 'heap, KB', 'heard'],
        rows,
      },
    ],
    checks: memoryChecks(ours),
    plots: plotsOf(ours, 'memory').slice(0, 1),
    data: courses,
  };
}
