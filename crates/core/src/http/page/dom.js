// Elements. Texts become text nodes and nothing else: there is no way from a string to markup in this page.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children; a child that is null, undefined or false is left out. */
export function h(tag, attributes, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function svg(tag, attributes, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat(3)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child);
  }
  return element;
}

/** A device's text on its own: whatever is written in it, what stands beside it stays where it is. */
export function bdi(text) {
  return h('bdi', { dir: 'ltr' }, text);
}

/** Makes the children of `parent` what `fresh` is, and keeps what is alike: focus, selection and what the user has opened stay. */
export function morph(parent, ...fresh) {
  morphChildren(parent, fresh.flat(3).filter(Boolean));
}

function morphChildren(parent, fresh) {
  const keyed = new Map();
  for (const child of parent.children) if (child.dataset?.key) keyed.set(child.dataset.key, child);
  let at = parent.firstChild;
  for (const next of fresh) {
    const node = typeof next === 'string' ? document.createTextNode(next) : next;
    const key = node.dataset?.key;
    const old = key ? keyed.get(key) : at;
    if (old && isAlike(old, node) && (key ? true : !old.dataset?.key)) {
      if (key) keyed.delete(key);
      if (old === at) at = at.nextSibling;
      else parent.insertBefore(old, at);
      morphNode(old, node);
    } else {
      parent.insertBefore(node, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function isAlike(old, node) {
  return old.nodeType === node.nodeType && old.nodeName === node.nodeName;
}

function morphNode(old, node) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const { name, value } of node.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    // Whether it is open is the user's; styles are set from code.
    if (!node.hasAttribute(name) && name !== 'open' && name !== 'style') old.removeAttribute(name);
  }
  morphChildren(old, [...node.childNodes]);
}

/** Runs what has been asked for in the next frame, each once, however often it was asked. A hidden tab has no frames. */
export function frames() {
  const wanted = new Set();
  let asked = false;
  return (paint) => {
    wanted.add(paint);
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const paints = [...wanted];
      wanted.clear();
      for (const one of paints) one();
    });
  };
}
