// Devices as they are plugged in: by bus, by hub, by port.

import { h, morph, bdi } from './dom.js';
import { forFilter } from './advice.js';
import { clock, count, ids, kindOf, nameOf, portOf, speed, visible } from './text.js';

/** How long a device that has just come stands out. */
const NEW_MS = 4000;

export function deviceTree({ root, summary, empty }, model) {
  /** Each bus as it was drawn: its element, and the text of what is in it. Of a thousand devices those are drawn anew that have changed. */
  const drawn = new Map();

  function paint() {
    const { devices, heldBack } = model;
    const buses = busesOf(devices, heldBack);
    empty.hidden = buses.length > 0 || !model.isListed;
    const held = heldBack.length > 0 ? `, ${heldBack.length.toLocaleString('en')} held back` : '';
    morph(summary, `${count(devices.length, 'device')}${held}`);
    for (const [number, { section }] of drawn) {
      if (buses.some(({ bus }) => bus === number)) continue;
      section.remove();
      drawn.delete(number);
    }
    buses.forEach((bus, at) => {
      const before = drawn.get(bus.bus);
      const section = before?.section ?? h('section', { class: 'bus', 'data-key': `bus ${bus.bus}`, 'aria-label': `Bus ${bus.bus}` });
      const text = textOf(bus, model);
      if (before?.text !== text) morph(section, drawBus(bus, model));
      drawn.set(bus.bus, { section, text });
      if (root.children[at] !== section) root.insertBefore(section, root.children[at] ?? null);
    });
  }
  return { paint };
}

/** Two buses with the same text look the same. */
function textOf({ here, children }, model) {
  const own = here.map(({ device, isHeld }) => [isHeld, !isHeld && isNew(device, model), device]);
  return `${JSON.stringify(own)}${[...children].map(([port, child]) => `${port}(${textOf(child, model)})`).join('')}`;
}

/** Buses, each with the tree of what hangs on it. A hub that nobody has told of is a place without a device. */
export function busesOf(devices, heldBack) {
  const buses = new Map();
  for (const [list, isHeld] of [[devices, false], [heldBack, true]]) {
    for (const device of list) {
      const [bus, ports] = placeOf(device);
      if (!buses.has(bus)) buses.set(bus, place(bus, []));
      let at = buses.get(bus);
      for (let depth = 1; depth <= ports.length; depth += 1) {
        const port = ports[depth - 1];
        if (!at.children.has(port)) at.children.set(port, place(bus, ports.slice(0, depth)));
        at = at.children.get(port);
      }
      at.here.push({ device, isHeld });
    }
  }
  return [...buses.values()].sort((one, other) => one.bus - other.bus);
}

function place(bus, ports) {
  return { bus, ports, here: [], children: new Map() };
}

/** [bus, ports] out of a name such as `1-4.2` or `usb1`; what is called otherwise hangs on bus 0. */
function placeOf(device) {
  const name = device.name ?? portOf(device);
  const root = /^usb(\d+)$/.exec(name);
  if (root) return [Number(root[1]), []];
  const port = /^(\d+)-(\d+(?:\.\d+)*)$/.exec(name);
  return port ? [Number(port[1]), port[2].split('.').map(Number)] : [device.location?.busNumber ?? 0, [0]];
}

function sorted(children) {
  return [...children.values()].sort((one, other) => one.ports.at(-1) - other.ports.at(-1));
}

function drawBus(bus, model) {
  const [root] = bus.here;
  const facts = root ? [bdi(nameOf(root.device, 60)), speed(root.device.speed) && h('span', null, speed(root.device.speed))] : [];
  return [
    h('h3', { class: 'bus-name' }, h('span', { class: 'bus-number' }, `Bus ${bus.bus}`), facts.length > 0 && h('span', { class: 'bus-facts' }, facts)),
    bus.children.size > 0 ? h('ul', { class: 'ports' }, sorted(bus.children).map((child) => drawPlace(child, model))) : h('p', { class: 'nothing' }, 'Nothing is plugged in.'),
  ];
}

function drawPlace(where, model) {
  const name = `${where.bus}-${where.ports.join('.')}`;
  const below = where.children.size > 0 && h('ul', { class: 'ports' }, sorted(where.children).map((child) => drawPlace(child, model)));
  if (where.here.length === 0) {
    return h('li', { class: 'place', 'data-key': name }, h('div', { class: 'device unknown' }, portChip(name, where.ports.at(-1)),
      h('span', { class: 'device-name' }, 'Hub not told of')), below);
  }
  return where.here.map((one, at) => h('li', { class: 'place', 'data-key': at === 0 ? name : `${name} ${one.device.signature}` },
    one.isHeld ? drawHeld(one.device, name, where.ports.at(-1)) : drawDevice(one.device, name, where.ports.at(-1), model), at === 0 && below));
}

function portChip(name, port) {
  return h('button', { class: 'port', type: 'button', 'data-show': name, 'aria-label': `Port ${name}: show its events`, title: `Show events at ${name}` }, String(port));
}

function isNew(device, model) {
  return !device.synthetic && model.now() - device.attachedAt < NEW_MS;
}

function drawDevice(device, name, port, model) {
  const drivers = [...new Set(device.drivers ?? [])];
  const isKernels = device.backend !== 'simulated' && device.backend !== 'injected';
  const kind = kindOf(device);
  return h('div', { class: isNew(device, model) ? 'device new' : 'device', 'data-signature': device.signature },
    portChip(name, port),
    h('span', { class: 'device-name' }, bdi(nameOf(device))),
    h('span', { class: 'facts' },
      h('code', { class: 'ids' }, ids(device)),
      kind && h('span', { class: 'fact' }, kind),
      Number.isFinite(device.speed) && h('span', { class: 'fact' }, speed(device.speed)),
      drivers.length > 0 ? h('span', { class: 'fact driver', title: 'Driver' }, drivers.map((driver) => visible(driver, 32)).join(', ')) : isKernels && h('span', { class: 'fact none' }, 'no driver'),
      device.serialNumber && h('span', { class: 'fact serial' }, 'serial ', bdi(visible(device.serialNumber, 40))),
      device.backend === 'injected' && h('span', { class: 'fact' }, 'told by a program'),
      device.partial && h('span', { class: 'fact warn', title: 'It left, or kept its texts, before all of it could be read' }, 'not all is known'),
      (device.tags ?? []).map((tag) => h('span', { class: 'tag' }, bdi(visible(tag, 32)))),
      h('span', { class: 'fact since' }, `since ${clock(device.attachedAt, 0)}`)));
}

function drawHeld(held, name, port) {
  return h('div', { class: 'device held' },
    portChip(name, port),
    h('span', { class: 'device-name' }, bdi(nameOf(held))),
    h('span', { class: 'facts' },
      h('code', { class: 'ids' }, ids(held)),
      h('a', { class: 'fact held-why', href: '#why' }, 'held back by ', h('code', null, forFilter(held).setting))));
}
