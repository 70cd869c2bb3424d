// The section "Why is my device not here?".

import { BEYOND } from './advice.js';
import { bdi, h, morph } from './dom.js';
import { checks, lookFor, trouble } from './reasons.js';

const MARKS = { ok: '✓', note: '!', bad: '✕', unknown: '?' };
const WORDS = { ok: 'fine', note: 'look here', bad: 'this keeps devices away', unknown: 'unknown' };

export function whySection({ list, summary, badge, search, found }, model) {
  search.addEventListener('input', paintFound);

  function paint() {
    const all = checks(model);
    const many = trouble(all);
    morph(summary, all.length === 0 ? 'Asking the daemon …' : many === 0 ? 'Nothing stands in the way.' : `${many} of ${all.length} ${many === 1 ? 'needs' : 'need'} a look.`);
    const worst = all.some(({ verdict }) => verdict === 'bad') ? 'bad' : 'note';
    summary.dataset.verdict = many === 0 ? 'ok' : worst;
    badge.hidden = many === 0;
    badge.dataset.grade = worst;
    morph(badge, String(many));
    const isAlone = all.filter(({ verdict }) => verdict === worst).length === 1;
    morph(list, all.map((check) => drawCheck(check, isAlone && check.verdict === worst)), all.length > 0 && drawBeyond(many === 0));
    paintFound();
  }

  function paintFound() {
    const answers = lookFor(search.value, model);
    found.hidden = answers === null;
    if (answers === null) return morph(found);
    const nothing = h('li', { class: 'answer', 'data-verdict': 'unknown' }, mark('unknown'), h('span', null,
      'Nothing like that has been told of, or held back. If it is plugged in, the answer is among the questions below.'));
    return morph(found, answers.length === 0 ? nothing : answers.map(({ key, verdict, text }) => h('li', { class: 'answer', 'data-key': key, 'data-verdict': verdict }, mark(verdict), h('span', null, parts(text)))));
  }

  return { paint };
}

function mark(verdict) {
  return h('span', { class: 'mark', 'data-verdict': verdict, role: 'img', 'aria-label': WORDS[verdict] }, MARKS[verdict]);
}

function parts(text) {
  return text.map((part) => (typeof part === 'string' ? bdi(part) : h('code', null, part.code)));
}

function drawCheck({ id, question, verdict, answer, findings, after }, isOpen) {
  const head = [mark(verdict), h('span', { class: 'asked' }, h('span', { class: 'question' }, question), h('span', { class: 'answer-text' }, answer))];
  if (findings.length === 0) return h('li', { class: 'check', 'data-key': id, 'data-verdict': verdict }, h('div', { class: 'check-head' }, head));
  return h('li', { class: 'check', 'data-key': id, 'data-verdict': verdict },
    // The one thing that keeps devices away is open at once; of several, all questions are to be seen. Later it is as the reader has left it.
    h('details', { open: isOpen, 'data-key': `${id} ${verdict}` },
      h('summary', { class: 'check-head' }, head),
      h('ul', { class: 'findings' }, findings.map(drawFinding)),
      after && h('p', { class: 'after' }, parts(after))));
}

function drawFinding({ key, what, why, todo }) {
  return h('li', { class: 'finding', 'data-key': key },
    h('p', { class: 'what' }, parts(what)),
    h('p', { class: 'because' }, parts(why)),
    todo.map((text) => h('p', { class: 'todo' }, parts(text))));
}

function drawBeyond(isOpen) {
  return h('li', { class: 'check', 'data-key': 'beyond', 'data-verdict': 'unknown' },
    h('details', { open: isOpen, 'data-key': `beyond ${isOpen}` },
      h('summary', { class: 'check-head' }, h('span', { class: 'mark', 'data-verdict': 'unknown', 'aria-hidden': 'true' }, '…'),
        h('span', { class: 'asked' }, h('span', { class: 'question' }, 'None of these?'), h('span', { class: 'answer-text' }, 'Then the daemon has never heard of it.'))),
      h('ul', { class: 'findings' }, BEYOND.map((text) => h('li', { class: 'finding' }, h('p', { class: 'todo' }, parts(text)))))));
}
