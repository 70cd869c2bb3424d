// Prometheus' text format, as far as our tests read it.

/** The series of a scrape, each under its name with labels as they stand there: `usb_events_total{action="attach"}`. */
export function seriesOf(text) {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/** The metrics that it says it has, without the endings of a histogram's series. */
export function metricsOf(text) {
  return [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
}

/** Where the outbox's events are, as one scrape has it. */
export function accountsOf(text) {
  const series = seriesOf(text);
  const account = (name) => series.get(`usb_outbox_${name}`);
  return {
    carriedOver: account('carried_over_total'),
    seen: account('seen_total'),
    published: account('published_total'),
    filtered: account('filtered_total'),
    waiting: account('waiting'),
    dropped: account('dropped'),
  };
}

/** Whether every event that came in is somewhere. */
export function isBalanced({ carriedOver, seen, published, filtered, waiting, dropped }) {
  return carriedOver + seen === published + filtered + waiting + dropped;
}
