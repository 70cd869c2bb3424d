// The stream of events: newest first, and as many elements as there is room for, however many events there are.

import { h } from './dom.js';
import { matches, wordsOf } from './model.js';
import { drawRow } from './row.js';

const SPARE_ROWS = 6;

/** The list of events. `onChosen(row | null)` is told what is chosen. */
export function eventList({ list, search, pause, note, empty, probe }, model, onChosen) {
  const sizer = list.querySelector('.sizer');
  const pool = [];
  let shown = [];
  let newest = null;
  let words = [];
  let frozen = null;
  let chosen = null;
  let rowHeight = 36;

  function rows() {
    return frozen ?? model.rows;
  }

  function paint() {
    shown = words.length === 0 ? rows() : rows().filter((row) => matches(row, words));
    list.hidden = shown.length === 0;
    rowHeight = probe.offsetHeight || rowHeight;
    const top = list.scrollTop;
    sizer.style.setProperty('block-size', `${shown.length * rowHeight}px`);
    // Who reads further down goes on reading the same rows.
    const come = newest ? shown.length - 1 - shown.lastIndexOf(newest) : 0;
    if (top > rowHeight && come > 0 && come < shown.length) list.scrollTop = top + come * rowHeight;
    newest = shown.at(-1) ?? null;
    paintRows();
    paintNote();
  }

  function paintRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - SPARE_ROWS);
    const room = Math.ceil(list.clientHeight / rowHeight) + 2 * SPARE_ROWS;
    const last = Math.min(shown.length, first + room);
    while (pool.length < Math.min(room, shown.length)) pool.push(newElement());
    pool.forEach((element, at) => {
      // Each row keeps its element while it is in view: position modulo the pool.
      const index = first + ((at - (first % pool.length) + pool.length) % pool.length);
      const isUsed = index < last;
      element.hidden = !isUsed;
      if (!isUsed) return void (element.row = null);
      const row = shown[shown.length - 1 - index];
      if (element.row !== row || element.revision !== row.revision) {
        element.row = row;
        element.revision = row.revision;
        element.id = `event-${row.order}`;
        drawRow(element, row);
      }
      element.style.setProperty('transform', `translateY(${index * rowHeight}px)`);
      element.setAttribute('aria-posinset', index + 1);
      element.setAttribute('aria-setsize', shown.length);
      element.setAttribute('aria-selected', row === chosen);
    });
    const active = chosen && pool.find((element) => element.row === chosen && !element.hidden);
    if (active) list.setAttribute('aria-activedescendant', active.id);
    else list.removeAttribute('aria-activedescendant');
  }

  function newElement() {
    const element = h('div', { class: 'row', role: 'option' });
    sizer.append(element);
    return element;
  }

  function paintNote() {
    const kept = rows().length;
    const parts = [];
    if (words.length > 0) parts.push(`${shown.length.toLocaleString('en')} of ${kept.toLocaleString('en')} match`);
    else parts.push(`${kept.toLocaleString('en')} shown`);
    if (model.forgotten > 0) parts.push('older ones are no longer kept here');
    if (frozen) {
      const come = model.rows.length + model.forgotten - frozen.length - frozen.forgotten;
      parts.push(`paused, ${come.toLocaleString('en')} more since`);
    }
    note.textContent = parts.join(' · ');
    empty.hidden = shown.length > 0;
    empty.textContent = words.length > 0 ? 'No event matches this search.' : 'No event yet. Plug something in: it shows here within milliseconds.';
  }

  function choose(row) {
    chosen = row;
    paintRows();
    onChosen(row);
  }

  /** Moves the choice by so many rows, and the list with it. */
  function move(by) {
    if (shown.length === 0) return;
    const at = chosen ? shown.length - 1 - shown.lastIndexOf(chosen) : -1;
    const next = chosen && at < shown.length ? at + by : 0;
    const index = Math.max(0, Math.min(shown.length - 1, next));
    const [top, bottom] = [index * rowHeight, (index + 1) * rowHeight];
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
    choose(shown[shown.length - 1 - index]);
  }

  function setPaused(isPaused) {
    frozen = isPaused ? Object.assign([...model.rows], { forgotten: model.forgotten }) : null;
    pause.textContent = isPaused ? 'Go on' : 'Pause';
    pause.dataset.paused = isPaused;
    paint();
  }

  function look(text) {
    search.value = text;
    words = wordsOf(text);
    list.scrollTop = 0;
    paint();
  }

  search.addEventListener('input', () => look(search.value));
  search.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && search.value) { event.preventDefault(); look(''); }
    if (event.key === 'ArrowDown') { event.preventDefault(); list.focus(); if (!chosen) move(0); }
  });
  pause.addEventListener('click', () => setPaused(!frozen));
  list.addEventListener('scroll', paintRows, { passive: true });
  list.addEventListener('click', (event) => {
    const element = event.target.closest('.row');
    if (element?.row) choose(element.row === chosen ? null : element.row);
  });
  list.addEventListener('keydown', (event) => {
    const page = Math.max(1, Math.floor(list.clientHeight / rowHeight) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by !== undefined) { event.preventDefault(); move(by); }
    if (event.key === 'Escape' && chosen) { event.preventDefault(); choose(null); }
    if (event.key === ' ') { event.preventDefault(); setPaused(!frozen); }
  });
  new ResizeObserver(() => paint()).observe(list);

  return { paint, look, choose };
}
